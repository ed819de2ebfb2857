/** The ordered, bounded history of logged events: the interface that every log implements. */
import type { Awaitable, Position } from '@linefeed/shared/wire';

/** One entry to append. */
export interface LogEntry {
  /** Topic and params as one string. */
  readonly address: string;
  /** The payload as JSON. */
  readonly data: string;
  /** `latest`: a newer entry of the same address supersedes this one, which then need not be held. */
  readonly keep: 'all' | 'latest';
}

/** An event that the log returns. */
export interface LogEvent {
  /** Topic and params as one string. */
  readonly address: string;
  /** The payload as JSON. */
  readonly data: string;
  /** The place of the event in the numbering of `epoch`. */
  readonly position: Position;
  /**
   * Position of the previous event of this address, `0` if there never was one.
   * Absent if unknown, or with `keep: 'latest'`.
   */
  readonly prev?: Position | undefined;
}

/** The options of an append. */
export interface AppendOptions {
  /**
   * A second append with the same key and address appends nothing and returns the first one's position. The key is
   * remembered as long as the event is held, and counts with it. It has 1 to 256 bytes as UTF-8, else the append is
   * rejected with `invalid_option`. With another payload the append is rejected with `idempotency_conflict`. A key
   * needs exactly one entry: with more, the append is rejected with `invalid_option`.
   */
  readonly idempotencyKey?: string | undefined;
}

/** The result of an append. */
export interface Appended {
  /** The numbering that `position` belongs to. The log's own `epoch` may have changed since. */
  readonly epoch: string;
  /** Position of the last entry. */
  readonly position: Position;
  /** The idempotency key was already used, and no entry was appended. */
  readonly duplicate: boolean;
}

/** A read of one page. */
export interface ReadQuery {
  /** Only events past this position. */
  readonly after: Position;
  /**
   * Only these addresses, each only past a position of its own. That position counts if it is greater than `after`. The
   * caller must not change the map during the read.
   */
  readonly addresses: ReadonlyMap<string, Position>;
  /** Most events to return. */
  readonly limit: number;
  /** Most data to return, in UTF-16 code units, but at least one event. */
  readonly maxBytes: number;
}

/** Most data in one page of a connection or follower. It bounds the memory that one reader can use. */
export const PAGE_BYTES: number = 256 * 1024;

/** The result of a read. */
export interface ReadPage {
  /** The numbering of these positions. */
  readonly epoch: string;
  /** In position order. */
  readonly events: readonly LogEvent[];
  /** All matching events up to here are in this page or were evicted. */
  readonly through: Position;
  /**
   * For each queried address with an evicted event past its query position: the position of the newest evicted one.
   * Read atomically with the page, so that no event can be trimmed in between. A superseded value of `keep: 'latest'`
   * does not count as evicted.
   */
  readonly evictedThrough: ReadonlyMap<string, Position>;
}

/** A position together with the numbering that it belongs to: neither means anything without the other. */
export interface LogCursor {
  /** Identity of the numbering. */
  readonly epoch: string;
  readonly position: Position;
}

/** A tail of the log that is followed. */
export interface Tail {
  /** Position where it starts: only later events are reported. */
  readonly start: LogCursor;
  /** Ends it. The listener is not called again. */
  close(): void;
}

/** The callbacks of `tail`. */
export interface TailListener {
  /** New events in position order. `through`: there are no other events up to this position. */
  onEvents(events: readonly LogEvent[], through: Position): void;
  /**
   * Readers cannot simply continue; `onEvents` continues past `newest`. `trimmed`: events were evicted before this
   * tail saw them, and pages report which. The other reasons change the numbering: `newest` and the log's `epoch` have
   * the new one. `rollback`: the newest events were removed. `epoch`: the log started anew. If a rollback removed events
   * that others may have seen, the epoch changes too. An older cursor then cannot match a position of later events.
   */
  onReset(reason: 'rollback' | 'epoch' | 'trimmed', newest: LogCursor): void;
  /** The log cannot be read at the moment. It recovers by itself. */
  onError(error: unknown): void;
}

/**
 * Assigns every event its position and keeps as many as its bounds allow. Several feeds and processes may call all
 * methods concurrently. A method that returns a plain value instead of a promise saves its callers a tick.
 */
export interface Log {
  /** Identity of the numbering, `[0-9a-z]`, at most 25 characters. */
  readonly epoch: string;
  /** Whether the log can be read at the moment. Absent: always. For `feed.stats()`. */
  readonly available?: boolean;
  /** Appends entries in order, all or none. Calls on one handle take effect in call order. */
  append(entries: readonly LogEntry[], options?: AppendOptions): Awaitable<Appended>;
  /** Reads the events past a position, in position order, as many as the limits of the query allow. */
  read(query: ReadQuery): Awaitable<ReadPage>;
  /** The newest event ever appended; its position is `0` before the first. */
  newest(): Awaitable<LogCursor>;
  /** Follows the log from the newest event on that this handle knows, and returns that position at once. */
  tail(listener: TailListener): Tail;
  /**
   * Whether the present history of the log contains this position. `false` for an event that was lost, although the
   * epoch is the same and the log has grown past it, and for a position that is too old to be checked. A feed asks it
   * for resume cursors of the log's epoch, and answers `false` with a gap. A log without this method must change its
   * epoch whenever events were lost.
   */
  contains?(position: Position): Awaitable<boolean>;
  /**
   * Records entries in a transaction of the application. They are appended after it has committed, in the order of the
   * calls of one transaction, and never if it is rolled back. Resolves when they are recorded. Their positions are not
   * known before. For `publish` with `transaction`.
   */
  appendIn?(transaction: unknown, entries: readonly LogEntry[], options?: AppendOptions): Awaitable<void>;
  /** Releases the log's resources. Earlier appends are finished; later calls are refused with `closed`. */
  close?(): Awaitable<void>;
}
