/** A store of runs in the memory of this process. It needs no setup, and is lost when the process ends. */
import { checkOptions } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../base/clock.ts';
import type { ReadLimit, RecordChange, RunStore, StoredRecord } from './run-store.ts';

/** The options of `memoryRuns`. */
export interface MemoryRunsOptions {
  /** @internal */
  readonly clock?: Clock | undefined;
}

interface MemoryRecord {
  version: number;
  state: string;
  count: number;
  /** Time of the clock. */
  leaseEndsAt: number;
  /** Time of the clock. */
  deleteAt: number;
  /** The events by run. */
  readonly events: Map<string, string[]>;
}

/** Records past their time are deleted when they are read, and all of them at this interval. */
const SWEEP_MS = 10_000;

/**
 * Holds the runs of a feed in memory. Feeds of one process may share it. The runs of a process that ends are lost.
 *
 * @example
 *   import { memoryRuns } from '@linefeed/server';
 *
 *   const runs = memoryRuns();
 *
 * @throws LinefeedError `invalid_option` for an unknown option
 */
export function memoryRuns(options: MemoryRunsOptions = {}): RunStore {
  checkOptions('memoryRuns', options, { clock: 'hidden' });
  return new MemoryRuns(options.clock ?? systemClock);
}

/** Whether only this process has the runs of a store. */
export function isMemoryRuns(store: RunStore): boolean {
  return store instanceof MemoryRuns;
}

class MemoryRuns implements RunStore {
  readonly #clock: Clock;
  readonly #records = new Map<string, MemoryRecord>();
  readonly #listeners = new Set<(key: string) => void>();
  /** The highest version of all records, deleted ones included. */
  #highest = 0;
  #sweepAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweepAt = clock.now() + SWEEP_MS;
  }

  async load(key: string): Promise<StoredRecord | undefined> {
    const record = this.#find(key);
    if (record === undefined) return undefined;
    const { version, state, count, leaseEndsAt } = record;
    const leaseLeftMs = leaseEndsAt - this.#clock.now();
    return { version, state, count, leaseLeftMs, now: this.#clock.wallNow() };
  }

  async commit(key: string, change: RecordChange): Promise<number | undefined> {
    this.#sweep();
    const found = this.#find(key);
    if (found?.version !== change.expected) return undefined;
    const record = found ?? this.#create(key);
    record.version += 1;
    this.#highest = Math.max(this.#highest, record.version);
    const now = this.#clock.now();
    record.state = change.state ?? record.state;
    record.count = change.count;
    record.leaseEndsAt = now + change.leaseMs;
    record.deleteAt = now + change.keepMs;
    for (const run of change.drop ?? []) record.events.delete(run);
    if (change.append !== undefined) appendTo(record.events, change.append.run, change.append.events);
    const { version } = record;
    for (const listener of this.#listeners) listener(key);
    return version;
  }

  async read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    const events = this.#find(key)?.events.get(run) ?? [];
    const last = Math.min(events.length, after + limit.events);
    let end = after;
    for (let bytes = 0; end < last && bytes < limit.bytes; end += 1) bytes += events[end]!.length;
    return events.slice(after, end);
  }

  async versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return keys.map((key) => this.#find(key)?.version);
  }

  async list(prefix: string): Promise<readonly string[]> {
    this.#sweepAt = 0;
    this.#sweep();
    return [...this.#records.keys()].filter((key) => key.startsWith(prefix));
  }

  watch(listener: (key: string) => void): () => void {
    const own = (key: string): void => listener(key);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#records.clear();
    this.#listeners.clear();
  }

  #create(key: string): MemoryRecord {
    // Versions of all records count together, so a deleted record never returns with a former version.
    const record: MemoryRecord = {
      version: this.#highest,
      state: '',
      count: 0,
      leaseEndsAt: 0,
      deleteAt: 0,
      events: new Map(),
    };
    this.#records.set(key, record);
    return record;
  }

  #find(key: string): MemoryRecord | undefined {
    const record = this.#records.get(key);
    if (record === undefined || record.deleteAt > this.#clock.now()) return record;
    this.#records.delete(key);
    return undefined;
  }

  #sweep(): void {
    const now = this.#clock.now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + SWEEP_MS;
    for (const key of this.#records.keys()) this.#find(key);
  }
}

function appendTo(events: Map<string, string[]>, run: string, added: readonly string[]): void {
  let held = events.get(run);
  if (held === undefined) events.set(run, (held = []));
  for (const event of added) held.push(event);
}
