/** The sources of the simulated streams, each with the mood that its subscriber asked for. */
import { message, type Message } from '@linefeed/server';
import type { Mood, Visitor } from './board.ts';
import type { Chance, SimClock } from './clock.ts';

/** What a source of these throws. */
export const SOURCE_FAILURE = 'a source that throws';

/** One subscription to a stream, however often its source is run. */
export interface Run {
  readonly mood: Mood;
  /** The source failed for good. */
  hasFailed?: boolean;
}

/** By the param `run`. */
export type RunBook = Map<string, Run>;

export interface SourceOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly runs: RunBook;
  readonly isCalm: () => boolean;
  /** A source of the connection of a request fails, and asks for another run. */
  readonly onRetryable: (request: number) => void;
}

interface StepsContext {
  readonly params: { readonly to: number; readonly mood: Mood; readonly run: string };
  readonly context: Visitor;
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal;
}

type Step = Message<{ step: number }>;
type Steps = (context: StepsContext) => Iterable<Step> | AsyncIterable<Step> | Promise<AsyncIterable<Step>>;

/** `steps`, as `streams` of a feed takes it. */
export function createSteps({ clock, chance, runs, isCalm, onRetryable }: SourceOptions): Steps {
  const toStep = (step: number): Step => message({ step }, { id: step });

  return ({ params: { to, mood, run: name }, context, lastEventId, signal }) => {
    const first = Number(lastEventId ?? 0) + 1;

    const failForGood = (): never => {
      const run = runs.get(name);
      if (run !== undefined) run.hasFailed = true;
      throw new Error(SOURCE_FAILURE);
    };

    function* inOneStep(): Generator<Step> {
      for (let step = first; step <= to; step += 1) yield toStep(step);
    }

    async function* stepByStep(): AsyncGenerator<Step> {
      for (let step = first; step <= to && !signal.aborted; step += 1) {
        if (chance.is(0.5)) await clock.sleep(chance.between(0, 200));
        if (mood === 'deaf' && step > to / 2) await new Promise(() => undefined);
        if (!isCalm() && chance.is(mood === 'retryable' ? 0.2 : 0.02)) {
          if (mood === 'steady' && chance.is(0.3)) failForGood();
          onRetryable(context.request);
          throw Object.assign(new Error(SOURCE_FAILURE), { retryable: true });
        }
        yield toStep(step);
      }
    }

    if (mood === 'broken') failForGood();
    if (mood === 'pending') return new Promise(() => undefined);
    return mood === 'sync' ? inOneStep() : stepByStep();
  };
}
