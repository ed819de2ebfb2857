/** Starts and stops runs on nodes, with sources of every behaviour, and checks the answers. */
import type { RunContext, RunStartOptions } from '@linefeed/server';
import { LinefeedError } from '@linefeed/shared';
import { CHATS, type Board, type WorldFeed } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import { stopReason, type RecordedRun, type RunHistory } from './run-history.ts';
import { SOURCE_FAILURE } from './sources.ts';

export interface RunStarterOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly history: RunHistory;
  readonly keepMs: number;
  readonly fail: (what: string) => void;
}

/**
 * Behaviour of the source of a run:
 *
 * - `steady`: each event takes some time
 * - `sync`: all events come in one step
 * - `failing`: it throws at some event
 * - `deaf`: it stops at some event, and ignores its signal
 * - `endless`: it ends only by its signal
 */
type RunMood = 'steady' | 'sync' | 'failing' | 'deaf' | 'endless';

type Context = RunContext<Board, 'answer'>;
interface Event {
  readonly by: string;
  readonly n: number;
}

/** A call of a source. */
interface Call {
  readonly run: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  isOver: boolean;
}

export class RunStarter {
  readonly #options: RunStarterOptions;
  readonly #calls: Call[] = [];
  #round = 0;

  constructor(options: RunStarterOptions) {
    this.#options = options;
  }

  /** Starts a run, at times with two calls at once. */
  startSome(nodes: readonly WorldFeed[]): void {
    const { chance } = this.#options;
    if (chance.is(0.2)) this.#round += 1;
    const chat = chance.pick(CHATS);
    const key = chance.is(0.7) ? `${this.#round}-${chance.between(1, 2)}` : undefined;
    // Without an input: its hash takes real turns of the event loop.
    const options: RunStartOptions = {
      key,
      whenBusy: chance.pick(['join', 'join', 'refuse', 'replace']),
      attempts: key === undefined ? 1 : chance.pick([1, 3]),
      principal: chance.is(0.3) ? 'ann' : undefined,
    };
    const mood = chance.pick<RunMood>(['steady', 'steady', 'steady', 'sync', 'failing', 'deaf', 'endless']);
    for (let calls = chance.is(0.3) ? 2 : 1; calls > 0; calls -= 1)
      void this.start(chance.pick(nodes), chat, mood, options);
  }

  async start(
    node: WorldFeed,
    chat: string,
    mood: RunMood,
    options: RunStartOptions = {},
  ): Promise<string | undefined> {
    const { history, fail } = this.#options;
    const address = `answer?chat=${chat}`;
    const what = `start of ${address} with ${JSON.stringify(options)}`;
    try {
      const source = (context: Context): AsyncGenerator<Event, { count: number }> =>
        this.#open(address, mood, context);
      const { run, joined, outcome } = await node.start('answer', { chat }, source, options);
      const recorded = history.find(address, run);
      if (recorded === undefined) fail(`${what}: ${run} is not recorded`);
      const { key } = options;
      if (recorded === undefined) return undefined;
      if ((!joined || options.whenBusy !== 'join') && recorded.state.key !== key)
        fail(`${what}: ${run} has the key ${recorded.state.key}`);
      if (outcome !== recorded.state.end?.outcome && (outcome !== undefined || joined))
        this.#checkOutcome(recorded, outcome, what);
      return run;
    } catch (error) {
      if (!isExpected(error, options)) fail(`${what}: ${String(error)}`);
      return undefined;
    }
  }

  /** The run may have ended after the answer was decided. */
  #checkOutcome(recorded: RecordedRun, outcome: string | undefined, what: string): void {
    if (outcome !== undefined)
      this.#options.fail(`${what}: ${outcome}, and the record has ${recorded.state.end?.outcome}`);
  }

  async stopSome(node: WorldFeed): Promise<void> {
    const { chance, history } = this.#options;
    const chat = chance.pick(CHATS);
    const runs = history.runsOf(`answer?chat=${chat}`);
    const run = runs.length > 0 && chance.is(0.3) ? chance.pick(runs).run : undefined;
    const round = this.#round + chance.pick([0, 0, 1]);
    const key = run === undefined && chance.is(0.5) ? `${round}-${chance.between(1, 2)}` : undefined;
    await this.stop(node, chat, { run, key });
  }

  async stop(
    node: WorldFeed,
    chat: string,
    { run, key }: { readonly run?: string | undefined; readonly key?: string | undefined } = {},
  ): Promise<boolean> {
    const { clock, history, keepMs, fail } = this.#options;
    const address = `answer?chat=${chat}`;
    const before = history.newestOf(address);
    const askedAt = clock.now();
    try {
      const stopped = await node.stop('answer', { chat }, { run, key, reason: stopReason(run) });
      const fault = isStoppedTruly({ history, address, run, key, before, stopped });
      if (fault !== undefined) fail(`stop of ${address}, run ${run}, key ${key}: ${fault}`);
      const isKnown = history.runsOf(address).some(({ state }) => state.key === key);
      if (key !== undefined && stopped === undefined && !isKnown)
        history.awaitStart(address, key, askedAt + keepMs);
      return stopped !== undefined;
    } catch (error) {
      if (!isExpected(error, { whenBusy: 'replace' })) fail(`stop of ${address}: ${String(error)}`);
      return false;
    }
  }

  /** After some time without faults: every run has ended, and the signal of every source that was replaced has aborted. */
  checkEnd(): void {
    const { history, fail } = this.#options;
    for (const address of history.addresses) {
      const newest = history.newestOf(address);
      if (newest !== undefined && newest.state.end === undefined && history.isSurelyKept(newest))
        fail(`${newest.run} never ended`);
    }
    for (const { run, attempt, signal, isOver } of this.#calls)
      if (!isOver && !signal.aborted) fail(`the signal of attempt ${attempt} of ${run} never aborted`);
  }

  #open(address: string, mood: RunMood, context: Context): AsyncGenerator<Event, { count: number }> {
    const { history, fail } = this.#options;
    const { run, attempt, signal, stored } = context;
    if (this.#calls.some((call) => call.run === run && call.attempt === attempt))
      fail(`attempt ${attempt} of ${run} called its source twice`);
    const recorded = history.find(address, run);
    // A later attempt may have recorded more by now.
    const known = recorded?.events.slice(0, stored.length).map(({ data }) => data);
    if (JSON.stringify(stored) !== `[${known?.join(',')}]`)
      fail(`attempt ${attempt} of ${run} got other events than those that are recorded`);
    if (recorded?.state.attempt === attempt && stored.length !== recorded.events.length)
      fail(`attempt ${attempt} of ${run} got ${stored.length} of ${recorded.events.length} events`);
    const call: Call = { run, attempt, signal, isOver: false };
    this.#calls.push(call);
    return this.#produce(mood, context, call);
  }

  async *#produce(
    mood: RunMood,
    { run, attempt, signal, stored }: Context,
    call: Call,
  ): AsyncGenerator<Event, { count: number }> {
    const { clock, chance } = this.#options;
    const by = `${run}.${attempt}`;
    const last = mood === 'endless' ? Infinity : stored.length + chance.between(0, 40);
    const paceMs = mood === 'endless' ? 400 : chance.pick([20, 100, 400]);
    let n = stored.length;
    try {
      while (n < last && !(mood === 'endless' && signal.aborted)) {
        if (mood !== 'sync') await clock.sleep(chance.between(0, paceMs));
        if (mood === 'deaf' && n > 5) await new Promise(() => undefined);
        if (mood === 'failing' && chance.is(0.1)) throw new Error(SOURCE_FAILURE);
        n += 1;
        yield { by, n };
      }
      return { count: n };
    } finally {
      call.isOver = true;
    }
  }
}

/** The errors of a start or stop that a world may show. */
function isExpected(error: unknown, { whenBusy }: RunStartOptions): boolean {
  if (!LinefeedError.is(error)) return false;
  if (error.code === 'run_busy') return whenBusy !== 'join';
  if (error.code === 'timeout') return whenBusy === 'replace';
  return ['too_many_runs', 'runs_failed', 'closed', 'draining'].includes(error.code);
}

interface StopAnswer {
  readonly history: RunHistory;
  readonly address: string;
  readonly run?: string | undefined;
  readonly key?: string | undefined;
  /** The newest run before the call. */
  readonly before: RecordedRun | undefined;
  readonly stopped: { readonly run: string; readonly outcome: string } | undefined;
}

/** Describes what is wrong in the answer to a stop. `undefined`: nothing. */
export function isStoppedTruly({
  history,
  address,
  run,
  key,
  before,
  stopped,
}: StopAnswer): string | undefined {
  if (stopped === undefined) {
    const isNamed =
      before !== undefined &&
      (run === undefined || before.run === run) &&
      (key === undefined || before.state.key === key);
    const goesOn = isNamed && before.state.end === undefined && history.isSurelyKept(before);
    return goesOn ? `${before.run} goes on` : undefined;
  }
  const recorded = history.find(address, stopped.run);
  if (run !== undefined && stopped.run !== run) return `it stopped ${stopped.run}`;
  if (key !== undefined && recorded?.state.key !== key) return `it stopped ${stopped.run} of another key`;
  const outcome = recorded?.state.end?.outcome;
  return outcome === stopped.outcome
    ? undefined
    : `the answer is ${stopped.outcome}, and the record of ${stopped.run} has ${outcome}`;
}
