/** Processes that share one store of runs, on a manual clock. */
import { defineChannel, run } from '@linefeed/shared';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import * as z from 'zod';
import { resolveLimits, type FeedLimitOptions } from '../src/lib/base/default-options.ts';
import { memoryRuns } from '../src/lib/runs/memory-runs.ts';
import type { RunView } from '../src/lib/runs/record-state.ts';
import { RunRecords } from '../src/lib/runs/run-records.ts';
import type { RunStore } from '../src/lib/runs/run-store.ts';
import { Runs, type RunStarted, type RunStopped, type UntypedRunSource } from '../src/lib/runs/runs.ts';
import { resolveStart, type RunStartOptions } from '../src/lib/runs/start-options.ts';
import type { StopRequest } from '../src/lib/runs/stop-request.ts';

const channel = defineChannel({
  answer: run({ data: z.string(), result: z.object({ tokens: z.number() }) }),
  chat: run({ params: z.object({ chat: z.string() }), data: z.string() }),
});

export const ADDRESS = 'answer';
export const LEASE_MS = 3_000;
export const RESULT = { tokens: 1 };

export interface RunProcess {
  readonly runs: Runs;
  readonly records: RunRecords;
  readonly errors: unknown[];
  start(source: UntypedRunSource, options?: RunStartOptions): Promise<RunStarted>;
  /** Starts a run of the topic with params. */
  startAt(chat: string, source: UntypedRunSource, options?: RunStartOptions): Promise<RunStarted>;
  stop(request?: Partial<StopRequest>): Promise<RunStopped | undefined>;
  view(): Promise<readonly RunView[]>;
  /** All recorded payloads of a run. */
  events(run: string): Promise<readonly unknown[]>;
}

/** A store whose calls the test can replace. */
export type TestStore = { -readonly [K in keyof RunStore]: RunStore[K] };

export interface RunProcesses {
  readonly clock: ManualClock;
  readonly store: RunStore;
  /** A process with a store of its own calls. */
  open(limits?: FeedLimitOptions, store?: RunStore): RunProcess;
  /** The calls of the shared store, to be replaced. */
  calls(): TestStore;
}

export function createRunProcesses(): RunProcesses {
  const clock = createManualClock();
  const store = memoryRuns({ clock });
  return {
    clock,
    store,
    open: (limits, own = store) => open(clock, own, limits),
    calls: () => ({
      load: (key) => store.load(key),
      commit: (key, change) => store.commit(key, change),
      read: (...query) => store.read(...query),
      versions: (keys) => store.versions(keys),
      list: (prefix) => store.list(prefix),
      watch: (listener) => store.watch!(listener),
      close: async () => undefined,
    }),
  };
}

function open(clock: ManualClock, store: RunStore, options: FeedLimitOptions = {}): RunProcess {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const limits = resolveLimits({ runLeaseMs: LEASE_MS, ...options });
  const records = new RunRecords({ store, clock, pollMs: limits.runPollMs, onError });
  const runs = new Runs({ channel, records, clock, limits, onError });
  const start = async (
    topic: string,
    params: unknown,
    source: UntypedRunSource,
    given: RunStartOptions = {},
  ): Promise<RunStarted> =>
    runs.start(await runs.target(topic, params), source, await resolveStart(given, limits));
  return {
    runs,
    records,
    errors,
    start: (source, given) => start(ADDRESS, undefined, source, given),
    startAt: (chat, source, given) => start('chat', { chat }, source, given),
    stop: (request) =>
      runs.stop(ADDRESS, {
        run: undefined,
        key: undefined,
        reason: undefined,
        keepMs: limits.runKeepMs,
        ...request,
      }),
    view: () => records.view(ADDRESS),
    async events(run) {
      const texts = await records.read(ADDRESS, run, 0, { events: 1e9, bytes: 1e9 });
      return texts.map((text) => JSON.parse(text) as unknown);
    },
  };
}

/** A source that a test controls. */
export class ManualSource {
  /** Resolves the next step of each call. */
  readonly calls: Array<{
    readonly signal: AbortSignal;
    readonly stored: readonly unknown[];
    attempt: number;
  }> = [];
  #steps: Array<() => IteratorResult<string, unknown>> = [];
  #wake: () => void = () => undefined;

  readonly open: UntypedRunSource = ({ signal, stored, attempt }) => {
    this.calls.push({ signal, stored, attempt });
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          while (this.#steps.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
          return this.#steps.shift()!();
        },
        return: async () => ({ done: true, value: undefined }),
      }),
    };
  };

  /** Steps that the producer has not taken. */
  get left(): number {
    return this.#steps.length;
  }

  yield(...values: string[]): void {
    for (const value of values) this.#push(() => ({ done: false, value }));
  }

  finish(result: unknown = RESULT): void {
    this.#push(() => ({ done: true, value: result }));
  }

  fail(error: unknown): void {
    this.#push(() => {
      throw error;
    });
  }

  #push(step: () => IteratorResult<string, unknown>): void {
    this.#steps.push(step);
    this.#wake();
  }
}
