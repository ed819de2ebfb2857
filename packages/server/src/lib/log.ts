/** The ordered, bounded history of logged events: the interface that every log implements. */
import type { Position } from '@linefeed/shared/wire';

/** What is appended. */
export interface LogEntry {
  readonly address: string;
  /** The payload as JSON. */
  readonly data: string;
  /** `latest`: an older entry of the same address is superseded and need not be held. */
  readonly keep: 'all' | 'latest';
}

/** What comes back. */
export interface LogEvent {
  readonly address: string;
  readonly data: string;
  readonly position: Position;
  /** Position of the previous event of this address, `0` if there never was one; absent: unknown, or `keep: 'latest'`. */
  readonly prev?: Position | undefined;
}

export interface AppendOptions {
  /**
   * A second append with the same key and address changes nothing and gives the first one's position. Remembered as
   * long as the event is held, and counted with it. 1 to 256 bytes as UTF-8, else rejected with `invalid_option`. With another payload: rejected with `idempotency_conflict`. Goes with one entry only:
   * with more, rejected with `invalid_option`.
   */
  readonly idempotencyKey?: string | undefined;
}

export interface Appended {
  /** The numbering that `position` belongs to. The log's own `epoch` may have changed since. */
  readonly epoch: string;
  /** Position of the last entry. */
  readonly position: Position;
  /** Nothing was appended: the idempotency key had been used. */
  readonly duplicate: boolean;
}

export interface ReadQuery {
  /** Only events behind this position. */
  readonly after: Position;
  /**
   * Only these addresses, each only behind a position of its own (which counts where it is greater than `after`). The map
   * is the log's own while it reads: nobody changes it.
   */
  readonly addresses: ReadonlyMap<string, Position>;
  /** At most so many events. */
  readonly limit: number;
  /** At most so much data, in UTF-16 code units, but at least one event. */
  readonly maxBytes: number;
}

/** Most of one page that a connection or a follower reads: what a reader may make the server hold for it at once. */
export const PAGE_BYTES: number = 256 * 1024;

export interface ReadPage {
  /** The numbering these positions belong to. */
  readonly epoch: string;
  /** In position order. */
  readonly events: readonly LogEvent[];
  /** Everything that matched up to here is in this page or was evicted. */
  readonly through: Position;
  /**
   * Of each queried address of which something behind its query position was evicted: position of the newest one
   * evicted. Taken together with the page, so that nothing can be trimmed in between. A superseded value of
   * `keep: 'latest'` does not count as evicted.
   */
  readonly evictedThrough: ReadonlyMap<string, Position>;
}

export interface TailListener {
  /** New events in position order, and the position up to which that is all. */
  onEvents(events: readonly LogEvent[], through: Position): void;
  /**
   * Readers cannot simply go on; `onEvents` does, behind `position`. `trimmed`: events were evicted before this tail saw
   * them, and pages say which. The others change the numbering, and the log's `epoch` is the new one already.
   * `rollback`: the newest events were taken back; `epoch`: the log started anew. After a rollback that took back what
   * others may have seen, the epoch is another one too, so that no older cursor can be mistaken for a place in what
   * comes now.
   */
  onReset(reason: 'rollback' | 'epoch' | 'trimmed', position: Position): void;
  /** The log cannot be read at the moment; it goes on by itself when it can. */
  onError(error: unknown): void;
}

type Awaitable<T> = T | PromiseLike<T>;

/**
 * Assigns every event its position and keeps as many as its bounds allow. All methods may be called from several
 * feeds and processes at once; those that return a value at once where they can spare their callers a tick.
 */
export interface Log {
  /** Identity of the numbering, `[0-9a-z]`, at most 25 characters. */
  readonly epoch: string;
  /** Appends entries in order, all or none. Calls of one handle take effect in the order in which they were made. */
  append(entries: readonly LogEntry[], options?: AppendOptions): Awaitable<Appended>;
  read(query: ReadQuery): Awaitable<ReadPage>;
  /**
   * Position of the newest event ever appended; `0` before the first. It belongs to the numbering of `epoch`, if that is
   * the same before the call and when the answer comes.
   */
  position(): Awaitable<Position>;
  /**
   * Follows the log from its newest event on; tells at once where that is. `close` ends it; the listener is not
   * called any more.
   */
  tail(listener: TailListener): { readonly position: Position; close(): void };
  /** Gives up what the log holds open. Appends made before are finished; later calls are refused with `closed`. */
  close?(): Awaitable<void>;
}
