/** The open file of a SQLite log. It detects a replaced file, and events past their maximum age. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { isBusy, isUnwritable } from './errors.ts';
import { inodeOf, openFile, tryOpenFile, type FileOptions } from './open-file.ts';
import { SqliteStore } from './store.ts';

/** Interval of the checks for a replaced file and for events past their maximum age. */
export const CHECK_MS = 1_000;

/** Delays between attempts to open a replaced file while another process holds it. */
const REOPEN_FIRST_MS = 15;
const REOPEN_LONGEST_MS = 240;

export class SqliteHandle {
  readonly #file: FileOptions;
  readonly #bounds: typeof DEFAULT_BOUNDS;
  #store: SqliteStore;
  #inode: bigint;
  #checkFileAt: number;
  #checkAgeAt = 0;
  /** Set while another process holds the new file. */
  #blocked: { readonly error: unknown; readonly wait: number; readonly until: number } | undefined;

  constructor(file: FileOptions, bounds: typeof DEFAULT_BOUNDS) {
    this.#file = file;
    this.#bounds = bounds;
    const { db, inode } = openFile(file);
    this.#store = new SqliteStore(db, bounds, file.clock);
    this.#inode = inode;
    this.#checkFileAt = this.#clock.now() + CHECK_MS;
  }

  get store(): SqliteStore {
    return this.#store;
  }

  get path(): string {
    return this.#file.path;
  }

  get #clock(): Clock {
    return this.#file.clock;
  }

  /**
   * Opens the file at the path if it is not the open one: no other process sees writes to a file that was moved away.
   * Does not wait for a lock. Checks at most once a second, except with `isLast`.
   *
   * @returns whether this call opened another file.
   * @throws the error of SQLite if another process holds the new file; LinefeedError `log_failed` if there is no file.
   */
  check(isLast = false): boolean {
    const now = this.#clock.now();
    if (!isLast && now < this.#checkFileAt) return false;
    const { path } = this.#file;
    const inode = inodeOf(path);
    if (inode === undefined) {
      if (isLast) return false;
      throw new LinefeedError(
        'log_failed',
        `The file of the log ${path} is gone; put it back, or restart to begin a new log. Nothing is written until then.`,
      );
    }
    const isOther = inode !== this.#inode;
    if (isOther) this.#reopen(now);
    this.#checkFileAt = now + CHECK_MS;
    return isOther;
  }

  #reopen(now: number): void {
    const blocked = this.#blocked;
    if (blocked !== undefined && now < blocked.until) throw blocked.error;
    try {
      const { db, inode } = tryOpenFile(this.#file);
      this.#store.db.close();
      this.#store = new SqliteStore(db, this.#bounds, this.#clock);
      this.#inode = inode;
      this.#blocked = undefined;
    } catch (error) {
      const wait = Math.min(REOPEN_LONGEST_MS, (blocked?.wait ?? REOPEN_FIRST_MS / 2) * 2);
      this.#blocked = isBusy(error) ? { error, wait, until: now + wait } : undefined;
      throw error;
    }
  }

  /** Whether the check of ages is due. Returning true starts the next interval. */
  isAgeDue(): boolean {
    const now = this.#clock.now();
    if (now < this.#checkAgeAt) return false;
    this.#checkAgeAt = now + Math.min(CHECK_MS, this.#bounds.maxAgeMs / 64);
    return true;
  }

  /** Evicts events past their maximum age, if the check is due. */
  evictStale(): void {
    const store = this.#store;
    if (!this.isAgeDue() || !store.eviction.isDue()) return;
    try {
      store.transact('write', () => {
        const meta = store.meta();
        store.eviction.run(meta, true);
        store.save(meta);
      });
    } catch (error) {
      // Another process that writes evicts too. On a full or read-only disk, the existing events can still be read.
      if (!isUnwritable(error)) throw error;
    }
  }

  close(): void {
    this.#store.db.close();
  }
}
