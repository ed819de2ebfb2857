/** A store of runs in a SQLite file. It survives restarts, and the processes of one machine can share it. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Clock, Timer } from '../../base/clock.ts';
import { isBusy } from '../../database/sqlite/errors.ts';
import { FileHandle } from '../../database/sqlite/file-handle.ts';
import { retryLocked } from '../../database/sqlite/lock-wait.ts';
import { WriteQueue } from '../../database/sqlite/write-queue.ts';
import type { ReadLimit, RecordChange, RunStore, StoredRecord } from '../run-store.ts';
import { resolveOptions, type SqliteRunsOptions } from './options.ts';
import { RunTables } from './tables.ts';
import { VersionCache } from './version-cache.ts';

/**
 * Holds the runs of a feed in a SQLite file, by `node:sqlite`. Several processes of one machine may open one file. Give
 * it a file of its own, on a local disk.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { sqliteRuns } from '@linefeed/server/sqlite';
 *   import { board } from './channel.ts';
 *
 *   const runs = sqliteRuns({ path: 'runs.db' });
 *   const feed = createFeed(board, { runs, streams: { *report() {} } });
 *   await feed.close();
 *   await runs.close();
 *
 * @param options `path` is required
 * @throws LinefeedError `invalid_option`; `runs_failed` if the file cannot be opened, is damaged or contains something
 * else.
 */
export function sqliteRuns(options: SqliteRunsOptions): RunStore {
  return new SqliteRuns(options);
}

/** Delay between two steps of the deletion, and while there is more to delete. Milliseconds. */
const DELETE_MS = 1_000;
const DELETE_MORE_MS = 20;

interface Commit {
  readonly key: string;
  readonly change: RecordChange;
}

class SqliteRuns implements RunStore {
  readonly #clock: Clock;
  readonly #handle: FileHandle<RunTables>;
  readonly #queue: WriteQueue<Commit, number | undefined>;
  readonly #cache = new VersionCache();
  /** The greatest version that this process has seen. */
  #highest = 0;
  /** The file was replaced, and may have versions that this process has seen with other contents. */
  #isReplaced = false;
  #deletion: Timer | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(options: SqliteRunsOptions) {
    const file = resolveOptions(options);
    const { clock, kind, path } = file;
    this.#clock = clock;
    this.#handle = new FileHandle(file, (db) => new RunTables(db));
    this.#queue = new WriteQueue<Commit, number | undefined>({
      clock,
      kind,
      path,
      gather: true,
      sizeOf: ({ change: { state = '', append } }) => ({
        events: 1 + (append?.events.length ?? 0),
        bytes: (append?.events ?? []).reduce((sum, { length }) => sum + length, state.length),
      }),
      write: (batch) => this.#write(batch),
    });
    this.#deleteLater(DELETE_MS);
  }

  get #now(): number {
    return this.#clock.wallNow();
  }

  // Writing -----------------------------------------------------------------------------------------------------------

  commit(key: string, change: RecordChange): Promise<number | undefined> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    if (change.expected === undefined && change.state === undefined) {
      return Promise.reject(new LinefeedError('invalid_option', `The new record of ${key} needs a state.`));
    }
    return this.#queue.add({ key, change });
  }

  #write(batch: readonly Commit[]): Array<number | undefined> {
    const tables = this.#tables();
    const now = this.#now;
    const versions = tables.transact('write', () =>
      batch.map(({ key, change }) => tables.commit(key, change, now)),
    );
    return versions.map((timed, index) => {
      if (timed === undefined) return undefined;
      this.#cache.committed(batch[index]!.key, timed);
      this.#highest = Math.max(this.#highest, timed.version);
      return timed.version;
    });
  }

  /** The tables of the file at the path. */
  #tables(): RunTables {
    if (this.#handle.check()) {
      this.#isReplaced = true;
      this.#cache.clear();
    }
    const tables = this.#handle.store;
    if (this.#isReplaced) {
      tables.raiseVersions(this.#highest);
      this.#isReplaced = false;
    }
    return tables;
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  load(key: string): Promise<StoredRecord | undefined> {
    return this.#read((tables, now) => {
      const record = tables.load(key, now);
      if (record !== undefined) this.#highest = Math.max(this.#highest, record.version);
      return record;
    });
  }

  read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    return this.#read((tables, now) =>
      // One transaction: the id of a dropped run may be used again.
      tables.transact('read', () => tables.read(key, run, after, limit, now)),
    );
  }

  versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return this.#read((tables, now) => {
      const cache = this.#cache;
      cache.update(tables.dataVersion());
      const missing = cache.missing(keys);
      if (missing.length > 0)
        for (const [index, version] of tables.versions(missing).entries())
          cache.set(missing[index]!, version);
      return keys.map((key) => cache.get(key, now));
    });
  }

  list(prefix: string): Promise<readonly string[]> {
    return this.#read((tables, now) => tables.list(prefix, now));
  }

  /** Runs `work` immediately. If another process holds the file, it retries later without blocking the event loop. */
  async #read<T>(work: (tables: RunTables, now: number) => T): Promise<T> {
    const attempt = (): T => {
      if (this.#closed) throw this.#closedError();
      return work(this.#tables(), this.#now);
    };
    if (this.#closing !== undefined) throw this.#closedError();
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw this.#handle.readError(error);
    }
    try {
      return await retryLocked(this.#clock, isBusy, attempt);
    } catch (error) {
      throw this.#handle.readError(error);
    }
  }

  // Deleting ----------------------------------------------------------------------------------------------------------

  #deleteLater(ms: number): void {
    this.#deletion = this.#clock.after(ms, () => {
      this.#deleteLater(this.#deleteSome() ? DELETE_MORE_MS : DELETE_MS);
    });
  }

  /** Whether there is more to delete. */
  #deleteSome(): boolean {
    try {
      return this.#tables().deleteSome(this.#now);
    } catch {
      // Another process that writes deletes too. Other failures reject the next call of the application.
      return false;
    }
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#deletion?.clear();
    await this.#queue.drain();
    this.#closed = true;
    this.#handle.close();
  }

  #closedError(): LinefeedError {
    return refusal('closed', `The store of runs ${this.#handle.path} is closed; open it again to continue.`);
  }
}
