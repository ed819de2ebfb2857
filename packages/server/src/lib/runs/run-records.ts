/** The records of runs: changes by compare-and-set, the expiry of leases, and notifications of changes. */
import type { Clock } from '../base/clock.ts';
import type { Decide, Decision } from './decision.ts';
import { expire, runningOf } from './expiry.ts';
import { isDue, readStored, toPresent, type Known } from './known-record.ts';
import { RecordWatch } from './record-watch.ts';
import { planWrite, type PlannedWrite } from './record-write.ts';
import { toViews, type PresentRecord, type RunView } from './record-state.ts';
import type { AppendedEvents, ReadLimit, RunStore } from './run-store.ts';

export interface RunRecordsOptions {
  readonly store: RunStore;
  readonly clock: Clock;
  /** Interval of the reads that look for changes of other processes. Milliseconds. */
  readonly pollMs: number;
  readonly onError: (error: unknown) => void;
}

/** The record of an address as it is now. */
export interface RunChange {
  /** The kept runs, oldest first. */
  readonly views: readonly RunView[];
  /**
   * Events that this process has just recorded. A reader that is exactly at `after` may write them without a read from
   * the store.
   */
  readonly recorded?: AppendedEvents | undefined;
}

export type RunListener = (change: RunChange) => void;

class Change implements RunChange {
  readonly recorded: AppendedEvents | undefined;
  readonly #known: Known;
  readonly #storeNow: number;
  #views: readonly RunView[] | undefined;

  constructor(known: Known, storeNow: number, recorded: AppendedEvents | undefined) {
    this.recorded = recorded;
    this.#known = known;
    this.#storeNow = storeNow;
  }

  // Made on demand: most followers of an append need only `recorded`.
  get views(): readonly RunView[] {
    const { state, count } = this.#known;
    return (this.#views ??= toViews({ state, count, now: this.#storeNow }));
  }
}

/** A record that is followed. */
interface Followed {
  readonly listeners: Set<RunListener>;
  /** `undefined`: not loaded yet. */
  known: Known | undefined;
  /** Counts the changes of `known`. A load that began before a change must not undo it. */
  changes: number;
}

export class RunRecords {
  readonly clock: Clock;
  readonly #options: RunRecordsOptions;
  readonly #store: RunStore;
  readonly #followed = new Map<string, Followed>();
  readonly #watch: RecordWatch;
  /** The epochs of the producers in this process, by address. */
  readonly #producers = new Map<string, number>();
  /** Clock of the store, minus the clock. Milliseconds. */
  #offsetMs: number;
  #failedAt = -Infinity;
  #isFailing = false;
  #isClosed = false;

  constructor(options: RunRecordsOptions) {
    const { store, clock, pollMs } = options;
    this.#options = options;
    this.#store = store;
    this.clock = clock;
    this.#offsetMs = clock.wallNow() - clock.now();
    const look = (keys: readonly string[]): Promise<void> => this.#look(keys);
    this.#watch = new RecordWatch({ store, clock, pollMs, followed: this.#followed, look });
  }

  /** The kept runs of an address, oldest first. Records the end of a run whose lease has expired. */
  async view(address: string): Promise<readonly RunView[]> {
    return toViews(await this.present(address));
  }

  /** The record of an address. Records the end of a run whose lease has expired. */
  present(address: string): Promise<PresentRecord> {
    return this.change(address, decideExpiry);
  }

  /** JSON texts of the events of a run after number `after`. */
  read(address: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    return this.#store.read(address, run, after, limit);
  }

  /** The keys of all records that start with the prefix. */
  list(prefix: string): Promise<readonly string[]> {
    return this.#store.list(prefix);
  }

  /**
   * Calls the listener with the record as it is now, and after each change. Never within this call. Returns a function
   * that stops the calls.
   */
  follow(address: string, listener: RunListener): () => void {
    const followed = this.#followed.get(address) ?? this.#startFollowing(address);
    const own: RunListener = (change) => listener(change);
    followed.listeners.add(own);
    if (followed.known !== undefined) {
      queueMicrotask(() => {
        if (followed.listeners.has(own) && followed.known)
          this.#call(own, new Change(followed.known, this.storeNow(), undefined));
      });
    }
    this.#watch.start();
    return () => {
      if (!followed.listeners.delete(own) || followed.listeners.size > 0) return;
      if (this.#followed.get(address) === followed) this.#followed.delete(address);
    };
  }

  #startFollowing(key: string): Followed {
    const followed: Followed = { listeners: new Set(), known: undefined, changes: 0 };
    this.#followed.set(key, followed);
    void this.#refresh([key]);
    return followed;
  }

  /** The lease of a producer in this process does not expire here, for example if the process was suspended. */
  protect(address: string, epoch: number): void {
    this.#producers.set(address, epoch);
  }

  unprotect(address: string, epoch: number): void {
    if (this.#producers.get(address) === epoch) this.#producers.delete(address);
  }

  /**
   * Changes a record by compare-and-set.
   *
   * @param mayBeOld Decide first on the record as this process knows it, if it is followed
   * @throws LinefeedError (as a rejection) `runs_failed`: the store cannot be reached. The outcome is then unknown.
   */
  async change<T>(key: string, decide: Decide<T>, mayBeOld = false): Promise<T> {
    let known = (mayBeOld ? this.#followed.get(key)?.known : undefined) ?? (await this.#load(key));
    for (let hasFailed = false; ;) {
      const now = this.clock.now();
      const { result, write } = decide(this.#toPresent(key, known, now));
      if (write === undefined) return result;
      const planned = planWrite(write, known.version, this.#toStoreTime(now));
      try {
        const version = await this.#watch.during(key, () => this.#store.commit(key, planned.change));
        if (version !== undefined) {
          this.#onCommitted(key, known, planned, version, now);
          return result;
        }
      } catch (error) {
        // The outcome is unknown. If the change is there, the decision on the present record finds it.
        if (hasFailed) throw error;
        hasFailed = true;
      }
      known = await this.#load(key);
    }
  }

  #onCommitted(
    key: string,
    before: Known,
    { change, state }: PlannedWrite,
    version: number,
    sentAt: number,
  ): void {
    const followed = this.#followed.get(key);
    // A later change of another process may be known already.
    if (followed === undefined || (followed.known?.version ?? 0) > version) return;
    const { count, leaseMs, append } = change;
    const text = change.state ?? before.text;
    this.#know(followed, { version, text, state, count, leaseEndsAt: sentAt + leaseMs }, append);
  }

  async #load(key: string): Promise<Known> {
    const followed = this.#followed.get(key);
    const changes = followed?.changes;
    const stored = await this.#store.load(key);
    const now = this.clock.now();
    if (stored !== undefined) this.#offsetMs = stored.now - now;
    const known = readStored(stored, now, followed?.known);
    // Two loads may be in flight, and the answer of the later one may come last.
    const isLater = (known.version ?? 0) > (followed?.known?.version ?? 0);
    if (followed !== undefined && (followed.changes === changes || isLater)) this.#know(followed, known);
    return known;
  }

  /** The present time of the store. Milliseconds since 1970. */
  storeNow(): number {
    return this.#toStoreTime(this.clock.now());
  }

  #toStoreTime(now: number): number {
    return Math.round(now + this.#offsetMs);
  }

  #toPresent(key: string, known: Known, now: number): PresentRecord {
    const present = toPresent(known, now, this.#toStoreTime(now));
    if (present.leaseLeftMs > 0) return present;
    const running = runningOf(present.state);
    const isValid =
      running !== undefined &&
      (this.#producers.get(key) === running.epoch ||
        // After an outage of the store, producers get time to renew.
        now - this.#failedAt < running.leaseMs);
    return isValid ? { ...present, leaseLeftMs: 1 } : present;
  }

  #know(followed: Followed, known: Known, recorded?: AppendedEvents): void {
    const before = followed.known;
    followed.known = known;
    followed.changes += 1;
    if (before !== undefined && before.text === known.text && before.count === known.count) return;
    const change = new Change(known, this.storeNow(), recorded);
    for (const listener of followed.listeners) this.#call(listener, change);
  }

  #call(listener: RunListener, change: RunChange): void {
    try {
      listener(change);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Reads the versions of records, and loads those that have changed or whose newest run may be lost. */
  async #look(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    try {
      const versions = await this.#store.versions(keys);
      const now = this.clock.now();
      const changed = keys.filter((key, index) => {
        const known = this.#followed.get(key)?.known;
        return known === undefined || known.version !== versions[index] || isDue(known, now);
      });
      await this.#refresh(changed);
    } catch (error) {
      this.reportFailure(error);
    }
  }

  async #refresh(keys: readonly string[]): Promise<void> {
    try {
      await Promise.all(keys.filter((key) => this.#followed.has(key)).map((key) => this.present(key)));
      this.#isFailing = false;
    } catch (error) {
      this.reportFailure(error);
    }
  }

  /** Reports the first error of an outage of the store. */
  reportFailure(error: unknown): void {
    this.#failedAt = this.clock.now();
    if (this.#isClosed) return;
    if (!this.#isFailing) this.#options.onError(error);
    this.#isFailing = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#watch.close();
    this.#followed.clear();
  }
}

/** Records the end of a run whose lease has expired. */
function decideExpiry(record: PresentRecord): Decision<PresentRecord> {
  const expired = expire(record);
  return expired === record
    ? { result: record }
    : { result: expired, write: { record: expired, leaseMs: 0 } };
}
