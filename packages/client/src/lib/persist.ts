/** The committed cursor over a reload. */
import type { Clock } from './clock.ts';

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

export interface Persistence {
  /** The cursor that an address had reached, if it was subscribed then. */
  readonly restored: (address: string) => string | undefined;
  /** Writes soon: every commit asks. */
  readonly note: () => void;
  readonly flush: () => void;
}

const WRITE_EVERY_MS = 1_000;

/** `state`: the cursor, and the addresses it speaks for. A storage that is full or forbidden is done without. */
export function createPersistence(
  { storage, identity = '' }: PersistOptions,
  url: string,
  clock: Clock,
  state: () => ReadonlyArray<string | undefined>,
): Persistence {
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
  const [cursor, ...addresses] = (use() ?? '').split(' ');
  let cancel: (() => void) | undefined;
  const flush = () => {
    cancel?.();
    cancel = undefined;
    use(state().join(' '));
  };
  return {
    restored: (address) => (addresses.includes(address) ? cursor : undefined),
    note() {
      cancel ??= clock.after(WRITE_EVERY_MS, flush);
    },
    flush,
  };
}
