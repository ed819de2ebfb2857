/** The interface of a store of runs: records that are changed by compare-and-set, and the events of runs. */
import { PAGE_BYTES } from '../log/log.ts';

/**
 * Holds one record for each key, and the events of its runs. It knows nothing of runs: the rules are in
 * `run-record.ts`. Each method rejects with LinefeedError `runs_failed` if the store cannot be reached.
 */
export interface RunStore {
  /** Reads a record. `undefined`: there is none. */
  load(key: string): Promise<StoredRecord | undefined>;
  /**
   * Changes a record atomically. Returns its new version. `undefined`: the version is not the expected one, and nothing
   * is written.
   */
  commit(key: string, change: RecordChange): Promise<number | undefined>;
  /**
   * Reads the JSON texts of the events of a run after the given number, in order. It returns at least one, if there is
   * one, and no events of a run that is dropped.
   */
  read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]>;
  /** Reads the versions of records in the order of the keys, in one round trip. `undefined`: there is no record. */
  versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>>;
  /** Returns the keys of all records that start with the prefix, in any order. */
  list(prefix: string): Promise<readonly string[]>;
  /**
   * Calls the listener with the key of a record that may have changed, in any process. It is a hint: callers also poll
   * the versions. Returns a function that stops the calls.
   */
  watch?(listener: (key: string) => void): () => void;
  /** Closes what the store has opened. A client that the application opened stays open. */
  close(): Promise<void>;
}

/** A record as it is now. */
export interface StoredRecord {
  /** A positive integer that grows at each commit. A key whose record was deleted never gets a former version again. */
  readonly version: number;
  /** Text of the last `state`. */
  readonly state: string;
  /** The last `count`. */
  readonly count: number;
  /** Time until the lease ends, by the clock of the store. Milliseconds. Not positive: it has expired. */
  readonly leaseLeftMs: number;
  /** Clock of the store. Milliseconds since 1970. */
  readonly now: number;
}

/** A change of a record. */
export interface RecordChange {
  /** The version that the record must have. `undefined`: there must be no record. */
  readonly expected: number | undefined;
  /** The new text. Absent: it stays as it is. A new record needs one. */
  readonly state?: string | undefined;
  /** The number of events of the newest run after this change. */
  readonly count: number;
  /** The lease ends this long after the present time of the store. Milliseconds. */
  readonly leaseMs: number;
  /** The record and its events are deleted this long after the present time of the store. Milliseconds. */
  readonly keepMs: number;
  /** Events to append. */
  readonly append?: AppendedEvents | undefined;
  /** Runs whose events are deleted. */
  readonly drop?: readonly string[] | undefined;
}

/** Events that are appended to a run: their numbers are `after + 1`, `after + 2`, … */
export interface AppendedEvents {
  readonly run: string;
  readonly after: number;
  /** JSON texts. */
  readonly events: readonly string[];
}

/** Bounds of one read. */
export interface ReadLimit {
  readonly events: number;
  /** A read stops after the event that reaches this number of bytes. */
  readonly bytes: number;
}

/** Bounds of one page of a run. */
export const PAGE_LIMIT: ReadLimit = { events: 500, bytes: PAGE_BYTES };
