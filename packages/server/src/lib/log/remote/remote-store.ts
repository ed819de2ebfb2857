/** The interface between `RemoteLog` and the server that holds the log. */
import type { Awaitable, Position } from '@linefeed/shared/wire';
import type { AppendOptions, LogCursor, LogEntry, LogEvent, ReadPage, ReadQuery } from '../log.ts';

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
   * The newest event that this handle has seen. If the log on the server has the same epoch and does not contain that
   * event, its newest events were lost (failover, restore): the store starts `nextEpoch`, in the same atom as the call.
   */
  readonly known: LogCursor;
  /** The epoch to start if the log on the server does not contain `known`. */
  readonly nextEpoch: string;
  /** Milliseconds since 1970, of this process. */
  readonly wallNow: number;
  /** Aborts when the deadline of the call has passed. */
  readonly signal: AbortSignal;
}

export interface BatchAnswer {
  /** The state before the batch, after a change of the epoch. */
  readonly before: ServerHead;
  /** The state after it. */
  readonly after: ServerHead;
  /** One for each append: position of its last entry, or the error of a conflict of its idempotency key. */
  readonly outcomes: ReadonlyArray<{ readonly position: Position; readonly duplicate: boolean } | Error>;
}

export interface PageAnswer extends ReadPage {
  readonly head: ServerHead;
}

export interface TailQuery {
  /** Most events to return. */
  readonly limit: number;
  /** Most data to return, in UTF-16 code units, but at least one event. */
  readonly maxBytes: number;
  /** Longest wait for a first event, in milliseconds. */
  readonly waitMs: number;
}

export interface TailAnswer {
  readonly head: ServerHead;
  /** The events past `known`, in position order. Empty if the epoch differs from that of `known`, or on `trimmed`. */
  readonly events: readonly LogEvent[];
  /** There are no other events up to here. */
  readonly through: Position;
  /** Events past `known` were evicted before this read. */
  readonly trimmed: boolean;
}

/**
 * One log on one server. A call rejects if the server is away or refuses; `RemoteLog` repeats it and reports it.
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
  /** Waits for events past `known` on the connection of the tail. One call at a time. */
  follow(query: TailQuery, context: CallContext): Promise<TailAnswer>;
  /** Whether the present history of `epoch` contains this position. `false` if it is too old to be checked. */
  contains(position: Position, context: CallContext): Promise<boolean>;
  /** Ends the connection of the tail, even if the server does not answer. The next `follow` opens a new one. */
  reconnect(): void;
  /** Ends the connections that this store has opened, not the user's client. */
  close(): Awaitable<void>;
}
