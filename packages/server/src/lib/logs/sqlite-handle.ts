/** The file of a SQLite log as a process has it open: notices when another one took its place, and when events grew old. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../clock.ts';
import type { DEFAULT_BOUNDS } from './bounds.ts';
import { isBusy, isUnwritable } from './sqlite-errors.ts';
import { inodeOf, openFile, tryOpenFile, type FileOptions } from './sqlite-file.ts';
import { SqliteStore } from './sqlite-store.ts';

/** How often to look whether the file is still the one that was opened, and whether something has grown too old. */
export const CHECK_MS = 1_000;

/** A file that took the place of another is opened as soon as no other process holds it: waits between attempts. */
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
   * Opens the file that stands at the path now, if it is another one: nobody else sees what is written to a file that
   * was moved away. Does not wait for a lock.
   *
   * @returns whether the file is another one since this call.
   * @throws what SQLite throws where another process holds the new file; LinefeedError `log_failed` where there is none.
   */
  check(): boolean {
    const now = this.#clock.now();
    if (now < this.#checkFileAt) return false;
    const { path } = this.#file;
    const inode = inodeOf(path);
    if (inode === undefined) {
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

  /** Whether it is time to look for what is too old; asking starts the time anew. */
  isAgeDue(): boolean {
    const now = this.#clock.now();
    if (now < this.#checkAgeAt) return false;
    this.#checkAgeAt = now + Math.min(CHECK_MS, this.#bounds.maxAgeMs / 64);
    return true;
  }

  /** Evicts what is too old, where it is time. */
  evictStale(): void {
    const store = this.#store;
    if (!this.isAgeDue() || !store.isStale()) return;
    try {
      store.transact('write', () => {
        const meta = store.meta();
        store.evict(meta, true);
        store.save(meta);
      });
    } catch (error) {
      // Who writes now evicts too. On a full disk, or one that takes nothing, what is there is still worth reading.
      if (!isUnwritable(error)) throw error;
    }
  }

  close(): void {
    this.#store.db.close();
  }
}
