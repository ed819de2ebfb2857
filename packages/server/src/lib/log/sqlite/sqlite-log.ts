/** A log in a SQLite file. It survives restarts, and the processes of one machine can share it. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { isBusy } from '../../database/sqlite/errors.ts';
import { retryLocked } from '../../database/sqlite/lock-wait.ts';
import { WriteQueue } from '../../database/sqlite/write-queue.ts';
import { sizeOf } from '../bounds.ts';
import { checkKeyed } from '../idempotency.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogCursor,
  LogEntry,
  LogEvent,
  ReadPage,
  ReadQuery,
  Tail,
  TailListener,
} from '../log.ts';
import { Follower } from './follower.ts';
import { SqliteHandle } from './handle.ts';
import { resolveOptions, type SqliteLogOptions } from './options.ts';
import { toPosition } from './rows.ts';
import type { Meta } from './schema.ts';
import type { SqliteStore } from './store.ts';

/**
 * A bounded log in a SQLite file, by `node:sqlite`. Several processes of one machine may open one file.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { sqliteLog } from '@linefeed/server/sqlite';
 *   import { board } from './channel.ts';
 *
 *   const log = sqliteLog({ path: 'board.db', maxEvents: 100_000 });
 *   const feed = createFeed(board, { log, streams: { *report() {} } });
 *   await feed.close();
 *   await log.close?.();
 *
 * @param options `path` is required
 * @throws LinefeedError `invalid_option`; `log_failed` if the file cannot be opened, is damaged or contains something
 * else.
 */
export function sqliteLog(options: SqliteLogOptions): Log {
  return new SqliteLog(options);
}

/** One call of `append`. */
interface WaitingAppend {
  readonly entries: readonly LogEntry[];
  readonly key: string | undefined;
}

class SqliteLog implements Log {
  readonly #handle: SqliteHandle;
  readonly #clock: Clock;
  readonly #follower: Follower;
  readonly #queue: WriteQueue<WaitingAppend, Appended>;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(options: SqliteLogOptions) {
    const { file, bounds, pollMs } = resolveOptions(options);
    const { clock, path } = file;
    this.#clock = clock;
    this.#handle = new SqliteHandle(file, bounds);
    this.#follower = new Follower(this.#handle, clock, pollMs);
    this.#queue = new WriteQueue<WaitingAppend, Appended>({
      clock,
      kind: file.kind,
      path,
      gather: file.synchronous === 'full',
      sizeOf: ({ entries, key }) => ({
        events: entries.length,
        bytes: entries.reduce((sum, entry) => sum + sizeOf(entry, key), 0),
      }),
      write: (batch) => this.#write(batch),
    });
  }

  get epoch(): string {
    return this.#follower.epoch;
  }

  get #store(): SqliteStore {
    return this.#handle.store;
  }

  // Appending ---------------------------------------------------------------------------------------------------------

  append(entries: readonly LogEntry[], options: AppendOptions = {}): Promise<Appended> {
    try {
      this.#checkOpen();
      checkKeyed(entries, options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#queue.add({ entries, key: options.idempotencyKey });
  }

  #write(batch: readonly WaitingAppend[]): Array<Appended | LinefeedError> {
    this.#follower.checkFile();
    const store = this.#store;
    const written = store.transact('write', () => {
      const meta = store.meta();
      if (this.#follower.isRenumbered(meta)) return undefined;
      const before = meta.sequence;
      // Evict old events first: a key is forgotten together with its event.
      const keyed = batch.some(({ key }) => key !== undefined);
      if ((keyed || this.#handle.isAgeDue()) && store.eviction.isDue()) store.eviction.run(meta, true);
      const events: LogEvent[] = [];
      const outcomes = batch.map(({ entries, key }) => this.#writeOne(meta, entries, key, events));
      store.eviction.run(meta, false);
      store.save(meta);
      return { before, after: meta.sequence, events, outcomes };
    });
    if (written === undefined) {
      this.#follower.renumber();
      return this.#write(batch);
    }
    const { before, after, events, outcomes } = written;
    store.reader.remember(events);
    this.#follower.appended(before, after, events);
    return outcomes;
  }

  #writeOne(
    meta: Meta,
    entries: readonly LogEntry[],
    key: string | undefined,
    events: LogEvent[],
  ): Appended | LinefeedError {
    if (key !== undefined) {
      try {
        const duplicate = this.#store.findDuplicate(meta, entries[0]!, key);
        if (duplicate !== undefined) return duplicate;
      } catch (error) {
        // A conflict rejects only this append. Any other error fails the transaction.
        if (LinefeedError.is(error)) return error;
        throw error;
      }
    }
    for (const entry of entries) events.push(this.#store.append(meta, entry, key));
    return { epoch: meta.epoch, position: toPosition(meta.sequence), duplicate: false };
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  read(query: ReadQuery): ReadPage | Promise<ReadPage> {
    this.#checkOpen();
    return this.#untilFree(() => {
      this.#handle.evictStale();
      const page = this.#readPage(query);
      if (page !== undefined) return page;
      this.#follower.renumber();
      return this.#readPage(query) ?? this.#readPage(query, true)!;
    });
  }

  /** Runs `work` immediately. If another process holds the file, it retries later without blocking the event loop. */
  #untilFree<T>(work: () => T): T | Promise<T> {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw this.#readError(error);
      return retryLocked(this.#clock, isBusy, () => {
        if (this.#closed) this.#checkOpen();
        return work();
      }).catch((failure: unknown) => {
        throw this.#readError(failure);
      });
    }
  }

  #readError(error: unknown): unknown {
    return this.#handle.readError(error);
  }

  #readPage(query: ReadQuery, whateverEpoch = false): ReadPage | undefined {
    const store = this.#store;
    return store.transact('read', () => {
      const meta = store.meta();
      return whateverEpoch || !this.#follower.isRenumbered(meta)
        ? store.reader.readPage(meta, query)
        : undefined;
    });
  }

  newest(): LogCursor | Promise<LogCursor> {
    this.#checkOpen();
    return this.#untilFree(() => {
      let meta = this.#store.meta();
      if (this.#follower.isRenumbered(meta)) {
        this.#follower.renumber();
        meta = this.#store.meta();
      }
      return { epoch: this.#follower.epoch, position: toPosition(meta.sequence) };
    });
  }

  tail(listener: TailListener): Tail {
    this.#checkOpen();
    return this.#follower.follow(listener);
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#follower.stop();
    await this.#queue.drain();
    try {
      await this.#untilFree(() => this.#follower.checkLast());
    } finally {
      this.#closed = true;
      this.#handle.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return;
    throw refusal('closed', `The log ${this.#handle.path} is closed; open it again to continue.`);
  }
}
