/** The connection of one node to the store of runs: calls are late, their outcome may be unknown, and it may stop. */
import type { RunStore } from '@linefeed/server';
import { LinefeedError } from '@linefeed/shared';
import type { ReadLimit, RecordChange, StoredRecord } from '../packages/server/src/lib/runs/run-store.ts';
import type { Chance, SimClock } from './clock.ts';

export interface RunLinkOptions {
  readonly store: RunStore;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly isCalm: () => boolean;
}

/** Share of the messages that meet a fault. */
const FAULTS = 0.02;
/** Largest page, so that readers need several. */
const MAX_PAGE = 7;
const HINTS_LOST = 0.1;

export class RunLink implements RunStore {
  readonly #options: RunLinkOptions;
  /** Longest time of a message. */
  readonly latencyMs: number;
  /** Absent in some worlds: changes are then noticed only by polling. */
  readonly watch?: NonNullable<RunStore['watch']>;
  #isDead = false;
  #paused: PromiseWithResolvers<void> | undefined;

  constructor(options: RunLinkOptions) {
    this.#options = options;
    this.latencyMs = options.chance.pick([0, 0, 10, 100]);
    if (options.chance.is(0.6)) this.watch = (listener) => this.#watch(listener);
  }

  /** The process dies: none of its later calls arrives. */
  kill(): void {
    this.#isDead = true;
    this.resume();
  }

  /** Calls and answers wait for this time, as in a process that is suspended. */
  pause(ms: number): void {
    if (this.#paused !== undefined) return;
    this.#paused = Promise.withResolvers();
    this.#options.clock.after(ms, () => this.resume());
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  load(key: string): Promise<StoredRecord | undefined> {
    return this.#call(() => this.#options.store.load(key));
  }

  commit(key: string, change: RecordChange): Promise<number | undefined> {
    return this.#call(() => this.#options.store.commit(key, change));
  }

  read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    const events = Math.min(limit.events, this.#options.chance.between(1, MAX_PAGE));
    return this.#call(() => this.#options.store.read(key, run, after, { ...limit, events }));
  }

  versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return this.#call(() => this.#options.store.versions(keys));
  }

  list(prefix: string): Promise<readonly string[]> {
    return this.#call(() => this.#options.store.list(prefix));
  }

  async close(): Promise<void> {}

  #watch(listener: (key: string) => void): () => void {
    const { store, clock, chance, isCalm } = this.#options;
    return store.watch!((key) => {
      if (this.#isDead || this.#paused !== undefined || (!isCalm() && chance.is(HINTS_LOST))) return;
      if (this.latencyMs === 0) listener(key);
      else clock.after(chance.between(1, this.latencyMs), () => listener(key));
    });
  }

  async #call<T>(perform: () => Promise<T>): Promise<T> {
    const { clock, chance, isCalm } = this.#options;
    clock.look();
    await this.#pass();
    if (!isCalm() && chance.is(FAULTS / 2)) {
      // The caller gives up first, and the store executes the call later.
      clock.after(chance.pick([50, 500, 3_000]), () => void perform());
      throw failure();
    }
    const answer = await perform();
    await this.#pass();
    return answer;
  }

  /** The way of one message. */
  async #pass(): Promise<void> {
    const { chance, clock, isCalm } = this.#options;
    if (this.latencyMs > 0) await clock.sleep(chance.between(1, this.latencyMs));
    if (this.#paused !== undefined) await this.#paused.promise;
    if (this.#isDead) throw failure();
    if (isCalm() || !chance.is(FAULTS)) return;
    await clock.sleep(chance.pick([0, 100, 500, 3_000]));
    if (chance.is(0.7) || this.#isDead) throw failure();
  }
}

/** Whether the store of runs could not be reached. */
export function isRunFailure(error: unknown): boolean {
  return LinefeedError.is(error) && error.code === 'runs_failed' && error.message === FAILURE;
}

const FAILURE = 'the store of runs cannot be reached';

function failure(): LinefeedError {
  return new LinefeedError('runs_failed', FAILURE, { retryable: true });
}
