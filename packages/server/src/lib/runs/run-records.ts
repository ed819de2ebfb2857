/** The records of runs: changes by compare-and-set, the expiry of leases, and notifications of changes. */
import { ignore } from '../base/promise.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { expire } from './expiry.ts';
import { isDue, readStored, toPresent, type Known } from './known-record.ts';
import { planWrite, type RecordWrite } from './record-write.ts';
import { encodeState, toViews, type PresentRecord, type RunView } from './record-state.ts';
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

/** The result for the caller, and the new record if it differs. */
export interface Decision<T> {
  readonly result: T;
  readonly write?: RecordWrite | undefined;
}

/**
 * Decides on a record. It is called again after each lost race, and after a commit with an unknown outcome: it must
 * recognise its own change in the record.
 */
export type Decide<T> = (record: PresentRecord) => Decision<T>;

/** With hints of a store, polling only replaces lost hints. */
const POLL_FACTOR_WITH_HINTS = 5;

/** A record that is followed. */
interface Followed {
  readonly key: string;
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
  readonly #pollMs: number;
  readonly #hinted = new Set<string>();
  readonly #unwatch: () => void;
  /** The key that a call to the store commits. A hint within the call is of that commit. */
  #committing: string | undefined;
  /** Clock of the store, minus the clock. Milliseconds. */
  #offsetMs: number;
  #timer: Timer | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(options: RunRecordsOptions) {
    const { store, clock, pollMs } = options;
    this.#options = options;
    this.#store = store;
    this.clock = clock;
    this.#offsetMs = clock.wallNow() - clock.now();
    this.#unwatch = store.watch?.((key) => this.#onHint(key)) ?? ignore;
    this.#pollMs = store.watch === undefined ? pollMs : pollMs * POLL_FACTOR_WITH_HINTS;
  }

  /** The kept runs of an address, oldest first. Records the end of a run whose lease has expired. */
  async view(address: string): Promise<readonly RunView[]> {
    return toViews({ ...(await this.present(address)), now: this.storeNow() });
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
        if (followed.listeners.has(own) && followed.known) this.#call(own, this.#toChange(followed.known));
      });
    }
    this.#setTimer();
    return () => {
      if (!followed.listeners.delete(own) || followed.listeners.size > 0) return;
      if (this.#followed.get(address) === followed) this.#followed.delete(address);
    };
  }

  #startFollowing(key: string): Followed {
    const followed: Followed = { key, listeners: new Set(), known: undefined, changes: 0 };
    this.#followed.set(key, followed);
    void this.#refresh([key]);
    return followed;
  }

  /**
   * Changes a record by compare-and-set.
   *
   * @param mayBeOld Decide first on the record as this process knows it, if it is followed
   * @throws LinefeedError (as a rejection) `runs_failed`: the store cannot be reached. The outcome is then unknown.
   */
  async change<T>(key: string, decide: Decide<T>, mayBeOld = false): Promise<T> {
    let known = (mayBeOld ? this.#followed.get(key)?.known : undefined) ?? (await this.#load(key));
    for (let failures = 0; ;) {
      const present = toPresent(known, this.clock.now(), this.storeNow());
      const { result, write } = decide(present);
      if (write === undefined) return result;
      try {
        if (await this.#commit(key, known, write)) return result;
      } catch (error) {
        failures += 1;
        if (failures > 1) throw error;
      }
      known = await this.#load(key);
    }
  }

  /** Whether the write is recorded. */
  async #commit(key: string, known: Known, write: RecordWrite): Promise<boolean> {
    const { change, state } = planWrite(write, this.storeNow());
    const text = state === undefined ? known.text : encodeState(state);
    const committedAt = this.clock.now();
    this.#committing = key;
    let committing: Promise<number | undefined>;
    try {
      committing = this.#store.commit(key, {
        ...change,
        expected: known.version,
        state: state === undefined ? undefined : text,
      });
    } finally {
      this.#committing = undefined;
    }
    const version = await committing;
    if (version === undefined) return false;
    const followed = this.#followed.get(key);
    // The lease ends at least this late: the store has the change after it was sent.
    const leaseEndsAt = committedAt + change.leaseMs;
    const next: Known = { version, text, state: state ?? known.state, count: change.count, leaseEndsAt };
    if (followed !== undefined) this.#know(followed, next, change.append);
    return true;
  }

  async #load(key: string): Promise<Known> {
    const followed = this.#followed.get(key);
    const changes = followed?.changes;
    const stored = await this.#store.load(key);
    const now = this.clock.now();
    if (stored !== undefined) this.#offsetMs = stored.now - now;
    const known = readStored(stored, now, followed?.known);
    if (followed !== undefined && followed.changes === changes) this.#know(followed, known);
    return known;
  }

  /** The present time of the store. Milliseconds since 1970. */
  storeNow(): number {
    return Math.round(this.clock.now() + this.#offsetMs);
  }

  #toChange({ state, count }: Known, recorded?: AppendedEvents): RunChange {
    return { views: toViews({ state, count, now: this.storeNow() }), recorded };
  }

  #know(followed: Followed, known: Known, recorded?: AppendedEvents): void {
    const before = followed.known;
    followed.known = known;
    followed.changes += 1;
    if (before !== undefined && before.text === known.text && before.count === known.count) return;
    const change = this.#toChange(known, recorded);
    for (const listener of followed.listeners) this.#call(listener, change);
  }

  #call(listener: RunListener, change: RunChange): void {
    try {
      listener(change);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  // Changes of other processes ----------------------------------------------------------------------------------------

  #onHint(key: string): void {
    if (key === this.#committing || !this.#followed.has(key)) return;
    this.#hinted.add(key);
    if (this.#hinted.size > 1) return;
    this.clock.defer(() => {
      const keys = [...this.#hinted];
      this.#hinted.clear();
      void this.#look(keys);
    });
  }

  #setTimer(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = this.clock.after(this.#pollMs, () => {
      void this.#look([...this.#followed.keys()]).finally(() => {
        this.#timer = undefined;
        if (this.#followed.size > 0) this.#setTimer();
      });
    });
  }

  /** Reads the versions of records, and loads those that have changed or whose newest run may be lost. */
  async #look(keys: readonly string[]): Promise<void> {
    if (keys.length === 0 || this.#isClosed) return;
    try {
      const versions = await this.#store.versions(keys);
      const now = this.clock.now();
      const changed = keys.filter((key, index) => {
        const known = this.#followed.get(key)?.known;
        return known === undefined || known.version !== versions[index] || isDue(known, now);
      });
      await this.#refresh(changed);
    } catch (error) {
      this.#report(error);
    }
  }

  async #refresh(keys: readonly string[]): Promise<void> {
    try {
      await Promise.all(keys.filter((key) => this.#followed.has(key)).map((key) => this.present(key)));
      this.#isFailing = false;
    } catch (error) {
      this.#report(error);
    }
  }

  /** Reports the first error of an outage. */
  #report(error: unknown): void {
    if (this.#isClosed) return;
    if (!this.#isFailing) this.#options.onError(error);
    this.#isFailing = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#unwatch();
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
