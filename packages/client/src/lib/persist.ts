/** The committed cursor over a reload. */
import type { Clock } from './clock.ts';
import type { Place } from './place.ts';

/** Where it is kept: `localStorage`, `sessionStorage`, or anything with these two. */
export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface PersistOptions {
  /** Default: `sessionStorage`, so that each tab has its own. */
  storage?: CursorStorage | undefined;
  /** Whose cursor it is, for example a user's id; another identity starts afresh. Default: none. */
  identity?: string | undefined;
}

/** What a client tells of itself to be kept. */
export interface PersistContext {
  readonly url: string;
  readonly clock: Clock;
  readonly committed: () => string | undefined;
  readonly places: Iterable<Place>;
}

/** A kept cursor. */
export interface Persistence {
  /**
   * The cursor that an address had reached, if it was subscribed then: once, and until the committed cursor, gone past
   * it, is written.
   */
  readonly restored: (address: string) => string | undefined;
  /** Writes soon: every commit asks. */
  readonly note: () => void;
  readonly flush: () => void;
  /** Writes for the last time: what ends with the client commits what nobody has handled. */
  readonly close: () => void;
}

/** Keeps the cursor of one client. Made by `persistCursor()`. */
export type Persist = (context: PersistContext) => Persistence;

const WRITE_EVERY_MS = 1_000;

/**
 * Keeps the committed cursor, so that after a reload a client goes on from there, for the addresses it speaks for. One
 * key for each URL and identity. A storage that is full or forbidden is done without.
 */
export function persistCursor({ storage, identity = '' }: PersistOptions = {}): Persist {
  return ({ url, clock, committed, places }) => {
    const key = `linefeed ${url} ${identity}`;
    const use = (write?: string) => {
      try {
        const items = storage ?? sessionStorage;
        return write === undefined ? items.getItem(key) : items.setItem(key, write);
      } catch {
        return undefined;
      }
    };
    // Neither a cursor nor an address has a space in it.
    let [cursor, ...addresses] = (use() ?? '').split(' ');
    const unclaimed = new Set(addresses);
    let cancel: (() => void) | undefined;
    const flush = () => {
      cancel?.();
      cancel = undefined;
      const reached = committed();
      // Left before it has connected: what is kept stays true.
      if (reached === undefined) return;
      if (reached !== cursor) {
        addresses = [];
        unclaimed.clear();
      }
      // Only those that the cursor speaks for.
      const spokenFor = [...places].filter(({ at, apart, catching }) => at && !apart && !catching);
      use([reached, ...new Set([...addresses, ...spokenFor.map(({ address }) => address)])].join(' '));
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
  };
}
