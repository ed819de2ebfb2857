/** The open file of a SQLite log. It evicts events past their maximum age. */
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { isUnwritable } from '../../database/sqlite/errors.ts';
import { CHECK_MS, FileHandle } from '../../database/sqlite/file-handle.ts';
import type { FileOptions } from '../../database/sqlite/open-file.ts';
import { SqliteStore } from './store.ts';

export class SqliteHandle extends FileHandle<SqliteStore> {
  readonly #bounds: typeof DEFAULT_BOUNDS;
  #checkAgeAt = 0;

  constructor(file: FileOptions, bounds: typeof DEFAULT_BOUNDS) {
    super(file, (db) => new SqliteStore(db, bounds, file.clock));
    this.#bounds = bounds;
  }

  /** Whether the check of ages is due. Returning true starts the next interval. */
  isAgeDue(): boolean {
    const now = this.clock.now();
    if (now < this.#checkAgeAt) return false;
    this.#checkAgeAt = now + Math.min(CHECK_MS, this.#bounds.maxAgeMs / 64);
    return true;
  }

  /** Evicts events past their maximum age, if the check is due. */
  evictStale(): void {
    const { store } = this;
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
}
