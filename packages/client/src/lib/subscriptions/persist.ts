/** Keeps the committed cursor across a page reload. */
import type { Clock } from '../base/clock.ts';
import { isCommitted, type Entry } from './entry.ts';

/** Storage for the cursor: `localStorage`, `sessionStorage`, or an object with these two methods. */
export interface CursorStorage {
  /** Returns the stored text, or `null`. */
  getItem(key: string): string | null;
  /** Stores a text. */
  setItem(key: string, value: string): void;
}

/** The options of `persistCursor`. */
export interface PersistOptions {
  /**
   * Where the cursor is stored.
   *
   * @default `sessionStorage`, so that each tab has its own cursor
   */
  storage?: CursorStorage | undefined;
  /**
   * The owner of the cursor, for example a user's id. Another identity starts without a cursor.
   *
   * @default none
   */
  identity?: string | undefined;
}

/** The client's state that is persisted. */
export interface PersistContext {
  readonly url: string;
  readonly clock: Clock;
  readonly committed: () => string | undefined;
  readonly entries: Iterable<Entry>;
}

/** A persisted cursor. */
export interface Persistence {
  /**
   * Returns the stored cursor for an address that was subscribed before the reload. Each address gets it once, and only
   * until a newer committed cursor is written.
   */
  readonly restored: (address: string) => string | undefined;
  /** Schedules a write within 1 s. Called at every commit. */
  readonly note: () => void;
  readonly flush: () => void;
  /** Final write. Must run before unsubscribing, which settles unhandled events and would advance the cursor. */
  readonly close: () => void;
}

/** Opens the persisted cursor of one client. */
export type OpenPersistence = (context: PersistContext) => Persistence;

declare const PERSIST: unique symbol;

/** The option `persist`. `persistCursor()` makes it. */
export interface Persist {
  /** No entry exports the symbol, so nothing else can make one. It exists only as a type. */
  readonly [PERSIST]: unknown;
}

export const toPersist = (open: OpenPersistence): Persist => open as unknown as Persist;

export const toOpenPersistence = (persist: Persist | undefined): OpenPersistence | undefined =>
  persist as OpenPersistence | undefined;

const WRITE_EVERY_MS = 1_000;

/**
 * Persists the committed cursor. After a reload, the addresses that the cursor covers resume from it. Each URL and
 * identity has its own storage key. If the storage is full or forbidden, nothing is persisted.
 *
 * @example
 *   import { createClient, persistCursor } from '@linefeed/client';
 *   import type { board } from './channel.ts';
 *
 *   const persist = persistCursor({ storage: localStorage, identity: 'user-7' });
 *   const client = createClient<typeof board>({ url: '/events', persist });
 *
 * @param options The storage, and the owner of the cursor
 * @returns A value for the option `persist`
 */
export function persistCursor({ storage, identity = '' }: PersistOptions = {}): Persist {
  return toPersist(({ url, clock, committed, entries }) => {
    const key = `linefeed ${url} ${identity}`;
    const use = (write?: string) => {
      try {
        const items = storage ?? sessionStorage;
        return write === undefined ? items.getItem(key) : items.setItem(key, write);
      } catch {
        return undefined;
      }
    };
    // Neither a cursor nor an address contains a space.
    let [cursor, ...addresses] = (use() ?? '').split(' ');
    const unclaimed = new Set(addresses);
    let cancel: (() => void) | undefined;
    const flush = () => {
      cancel?.();
      cancel = undefined;
      const reached = committed();
      // The page was left before the first `hello`. The stored value is still valid.
      if (reached === undefined) return;
      if (reached !== cursor) {
        addresses = [];
        unclaimed.clear();
      }
      // Only addresses that the committed cursor covers: not those in a replay, nor those whose replay is not fully
      // handled.
      const covered = [...entries].filter(isCommitted).map(({ address }) => address);
      use([reached, ...new Set([...addresses, ...covered])].join(' '));
    };
    return {
      restored: (address) => (unclaimed.delete(address) ? cursor : undefined),
      note() {
        cancel ??= clock.after(WRITE_EVERY_MS, flush);
      },
      flush,
      close() {
        flush();
        cancel = () => {};
      },
    };
  });
}
