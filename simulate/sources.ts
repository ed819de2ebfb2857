/** The sources of the simulated streams, each with the mood that its subscriber requested. */
import { message, type Message } from '@linefeed/server';
import type { Mood, UserContext } from './board.ts';
import type { Chance, SimClock } from './clock.ts';

/** Error of these sources. */
export const SOURCE_FAILURE = 'a source that throws';

/** One subscription to a stream, with any number of runs of its source. */
export interface Run {
  readonly mood: Mood;
  /** The source failed permanently. */
  hasFailed?: boolean;
}

/** By the param `run`. */
export type RunBook = Map<string, Run>;

export interface SourceOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly runs: RunBook;
  readonly isCalm: () => boolean;
  /** Called when a source of this request's connection fails with a retryable error. */
  readonly onRetryable: (request: number) => void;
}

interface StepsContext {
  readonly params: { readonly to: number; readonly mood: Mood; readonly run: string };
  readonly context: UserContext;
  readonly lastEventId: string | undefined;
  readonly signal: AbortSignal;
}

type Step = Message<{ step: number }>;
type Steps = (context: StepsContext) => Iterable<Step> | AsyncIterable<Step> | Promise<AsyncIterable<Step>>;

/** `steps`, in the form that `streams` of a feed takes. */
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
