/** An open SQLite file. It detects that another file has replaced it. */
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../base/clock.ts';
import { failure, isBusy, toFileError } from './errors.ts';
import { inodeOf, openFile, tryOpenFile, type FileOptions } from './open-file.ts';

/** Interval of the checks for a replaced file. */
export const CHECK_MS = 1_000;

/** Delays between attempts to open a replaced file while another process holds it. */
const REOPEN_FIRST_MS = 15;
const REOPEN_LONGEST_MS = 240;

export class FileHandle<Store extends { readonly db: DatabaseSync }> {
  readonly #file: FileOptions;
  readonly #createStore: (db: DatabaseSync) => Store;
  #store: Store;
  #inode: bigint;
  #checkFileAt: number;
  /** Set while another process holds the new file. */
  #blocked: { readonly error: unknown; readonly wait: number; readonly until: number } | undefined;

  constructor(file: FileOptions, createStore: (db: DatabaseSync) => Store) {
    this.#file = file;
    this.#createStore = createStore;
    const { db, inode } = openFile(file);
    this.#store = createStore(db);
    this.#inode = inode;
    this.#checkFileAt = this.clock.now() + CHECK_MS;
  }

  get store(): Store {
    return this.#store;
  }

  get path(): string {
    return this.#file.path;
  }

  get clock(): Clock {
    return this.#file.clock;
  }

  /**
   * Opens the file at the path if it is not the open one: no other process sees writes to a file that was moved away.
   * Does not wait for a lock. Checks at most once a second, except with `isLast`.
   *
   * @returns whether this call opened another file.
   * @throws the error of SQLite if another process holds the new file; LinefeedError if there is no file.
   */
  check(isLast = false): boolean {
    const now = this.clock.now();
    if (!isLast && now < this.#checkFileAt) return false;
    const { path, kind } = this.#file;
    const inode = inodeOf(path);
    if (inode === undefined) {
      if (isLast) return false;
      throw failure(
        kind,
        `The file of the ${kind.noun} ${path} is gone; put it back, or restart to begin a new ${kind.noun}. Nothing is written until then.`,
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
      this.#store = this.#createStore(db);
      this.#inode = inode;
      this.#blocked = undefined;
    } catch (error) {
      const wait = Math.min(REOPEN_LONGEST_MS, (blocked?.wait ?? REOPEN_FIRST_MS / 2) * 2);
      this.#blocked = isBusy(error) ? { error, wait, until: now + wait } : undefined;
      throw error;
    }
  }

  /** The error of a read that has failed. */
  readError(error: unknown): unknown {
    return toFileError(this.#file.kind, error, this.path, 'read');
  }

  close(): void {
    this.#store.db.close();
  }
}
