/** The interface between `RemoteLog` and the server that holds the log. */
import type { Awaitable, Position } from '@linefeed/shared/wire';
import type { AppendOptions, LogCursor, LogEntry, LogEvent, ReadPage, ReadQuery } from '../log.ts';

/** A position that no log reaches. Its sequence is less than 2^53. */
export const NOWHERE: Position = 'zzzzzzzzzzzzzz';

/** The state of the log on the server when it answered. Each answer has it. */
export interface ServerHead extends LogCursor {
  /** The epoch before this one, if a lost tail ended that one. Absent: the log was created. */
  readonly parent?: string | undefined;
}

/** One append of a batch. */
export interface BatchedAppend {
  readonly entries: readonly LogEntry[];
  readonly idempotencyKey: AppendOptions['idempotencyKey'];
}

/** A batch of appends. The store performs it once, although it may be sent several times. */
export interface AppendBatch {
  readonly appends: readonly BatchedAppend[];
  /** Identity of this handle, random. */
  readonly writer: string;
  /**
   * Number of the batch of this writer, from 1. The server remembers the newest number of each writer with its
   * outcome. It answers a repeat of that number with the stored outcome, and refuses a smaller one: a delayed copy of
   * an earlier batch changes nothing.
   */
  readonly number: number;
}

/** The state of the handle when it makes a call. */
export interface CallContext {
  /**
   * The newest event that this handle knows: from the tail, its own appends, or the head of any answer. If the log on
   * the server has the same epoch and does not contain that event, its newest events were lost (failover, restore): the
   * store starts `nextEpoch` with the lost one as its parent, in the same atom as the call. With another epoch, and at
   * `BEGINNING`, there is nothing to compare. A handle that opens knows nothing: its epoch is the empty text. To force
   * a new epoch, a handle passes `NOWHERE`.
   */
  readonly known: LogCursor;
  /** The epoch to start if the log on the server does not contain `known`, or if there is no log. Random per call. */
  readonly nextEpoch: string;
  /** Milliseconds since 1970, of this process. */
  readonly wallNow: number;
  /** Aborts when the deadline of the call has passed. */
  readonly signal: AbortSignal;
}

export interface BatchAnswer {
  /**
   * The state before the batch, after a change of the epoch. For a repeat that is answered from the stored outcome, the
   * present state.
   */
  readonly before: ServerHead;
  /** The state after it. */
  readonly after: ServerHead;
  /** One for each append: position of its last entry, or the error of a conflict of its idempotency key. */
  readonly outcomes: ReadonlyArray<{ readonly position: Position; readonly duplicate: boolean } | Error>;
}

export interface PageAnswer extends ReadPage {
  readonly head: ServerHead;
}

/** An event from the tail. */
export interface TailEvent extends LogEvent {
  /** As it was appended: a value of `latest` supersedes the older events of its address. */
  readonly keep: LogEntry['keep'];
}

export interface TailQuery {
  /** Position that the tail has reached. It is at or before `known`, in the same epoch. */
  readonly after: Position;
  /** Most events to return. */
  readonly limit: number;
  /** Most data to return, in UTF-16 code units, but at least one event. */
  readonly maxBytes: number;
  /** Longest wait for a first event, in milliseconds. */
  readonly waitMs: number;
}

export interface TailAnswer {
  readonly head: ServerHead;
  /**
   * The events past `after`, in position order. Superseded values may be absent. Empty if the epoch differs from that of
   * `known`, or on `trimmed`.
   */
  readonly events: readonly TailEvent[];
  /** There are no other events up to here: a position of the log. The tail continues past it, also on `trimmed`. */
  readonly through: Position;
  /** Events past `after` were evicted before this read. */
  readonly trimmed: boolean;
}

/**
 * One log on one server. `RemoteLog` repeats a call that rejects. It does not repeat one that rejects with a
 * `LinefeedError` whose `retryable` is false: the server refuses, and a repeat would not help (wrong type of a key, no
 * memory, read-only, payload too large).
 *
 * A position is `<sequence><tag>`: the sequence in base 36 without leading zeros, and 4 random digits of the batch that
 * appended it. Two histories of one log give the same sequence to different events, but with different tags. So a
 * cursor of a lost event is recognised, although the log has reached its sequence again.
 */
export interface RemoteStore {
  /** For messages, such as `Redis key "board"`. */
  readonly name: string;
  /** Performs a batch: each append whole or not at all, in order, keys and bounds included. */
  append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer>;
  /**
   * Reads a page. A floor of the query that is older than the batches that the server remembers cannot be checked: each
   * such address is in `evictedThrough`.
   */
  read(query: ReadQuery, context: CallContext): Promise<PageAnswer>;
  /** Reads the newest position. */
  head(context: CallContext): Promise<ServerHead>;
  /**
   * Waits for events past `after`, on the connection of the tail. One call at a time. It also ends early if the log no
   * longer contains `known`.
   */
  follow(query: TailQuery, context: CallContext): Promise<TailAnswer>;
  /** Whether the log contains this position of the epoch of `known`. `false` if it is too old to be checked. */
  contains(position: Position, context: CallContext): Promise<boolean>;
  /** Ends the connection of the tail, even if the server does not answer. The next `follow` opens a new one. */
  reconnect(): void;
  /** Ends the connections that this store has opened, not the user's client. */
  close(): Awaitable<void>;
}
