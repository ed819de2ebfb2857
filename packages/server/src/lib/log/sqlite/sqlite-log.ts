/** A log in a SQLite file. It survives restarts, and the processes of one machine can share it. */
import { resolve as resolvePath } from 'node:path';
import { LinefeedError, refusal, type Position } from '@linefeed/shared/wire';
import { systemClock, type Clock, type Timer } from '../../base/clock.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogEntry,
  LogEvent,
  ReadPage,
  ReadQuery,
  TailListener,
} from '../log.ts';
import { AppendQueue, type WaitingAppend } from './append-queue.ts';
import { checkLogOptions, resolveBounds, type LogBounds } from '../bounds.ts';
import { checkKeyed } from '../idempotency.ts';
import { retryLocked } from './lock-wait.ts';
import { isBusy, toLogError } from './errors.ts';
import { currentBootId } from './open-file.ts';
import { CHECK_MS, SqliteHandle } from './handle.ts';
import type { Meta } from './schema.ts';
import { toNumber, toPosition, type SqliteStore } from './store.ts';
import { TailListeners } from '../tail-listeners.ts';

export interface SqliteLogOptions extends LogBounds {
  /** The path of the file; its directory must exist. SQLite keeps `<path>-wal` and `<path>-shm` beside it. */
  readonly path: string;
  /**
   * Durability after a stop of the operating system (power, kernel). `normal`, the default: the newest appends may be
   * lost; the log detects this and starts a new epoch. `full`: nothing is lost; every append waits for the disk. The
   * end of a process, `kill -9` included, loses nothing in either mode.
   */
  readonly synchronous?: 'normal' | 'full' | undefined;
  /** Interval of the poll for appends of other processes. Milliseconds; default 15. */
  readonly pollMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
  /** @internal */
  readonly bootId?: string | undefined;
}

/** The constructor checks path, pollMs and synchronous by value. */
const SQLITE_OPTIONS = {
  path: 'any',
  synchronous: 'any',
  pollMs: 'any',
  bootId: 'hidden',
} satisfies Partial<Record<keyof SqliteLogOptions, string>>;
const DEFAULT_POLL_MS = 15;
/** Limits of one read of the tail, in events and code units. The read blocks the event loop. */
const TURN_EVENTS = 500;
const TURN_BYTES = 1024 * 1024;

/**
 * A bounded log in a SQLite file, by `node:sqlite`. Several processes of one machine may open one file.
 *
 * @throws LinefeedError `invalid_option`; `log_failed` if the file cannot be opened, is damaged or contains something
 * else.
 */
export function sqliteLog(options: SqliteLogOptions): Log {
  return new SqliteLog(options);
}

class SqliteLog implements Log {
  readonly #handle: SqliteHandle;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #listeners = new TailListeners();
  readonly #queue: AppendQueue;
  #epoch = '';
  /** The tail listeners have every event up to this position. */
  #position = 0;
  #version = -1;
  #catchUpScheduled = false;
  #poll: Timer | undefined;
  #failing = false;
  /** The file was replaced, and its numbering is not compared yet: it may be an older copy. */
  #replaced = false;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(options: SqliteLogOptions) {
    checkLogOptions('sqliteLog', options, SQLITE_OPTIONS);
    const { clock = systemClock, synchronous = 'normal' } = options;
    this.#clock = clock;
    const bounds = resolveBounds(options);
    this.#pollMs = checkPollMs(options.pollMs ?? DEFAULT_POLL_MS);
    const path = checkPath(options.path);
    if (synchronous !== 'normal' && synchronous !== 'full') {
      throw invalid(`synchronous must be "normal" or "full", not ${JSON.stringify(synchronous)}.`);
    }
    const bootId = options.bootId ?? currentBootId();
    this.#handle = new SqliteHandle({ path, synchronous, clock, bootId }, bounds);
    const { epoch, sequence } = this.#store.meta();
    this.#epoch = epoch;
    this.#position = sequence;
    this.#queue = new AppendQueue({
      clock,
      gather: synchronous === 'full',
      write: (batch) => this.#write(batch),
      isLocked: isBusy,
      toFailure: (error) => toLogError(error, path, 'written'),
      toRefusal: (what) =>
        new LinefeedError(
          'log_failed',
          `More than ${what} wait to be written to the log ${path}; publish slower, or look for what holds the file.`,
          { retryable: true },
        ),
    });
  }

  get epoch(): string {
    return this.#epoch;
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
    return this.#queue.add(entries, options.idempotencyKey);
  }

  #write(batch: readonly WaitingAppend[]): Array<Appended | LinefeedError> {
    this.#checkFile();
    const store = this.#store;
    const written = store.transact('write', () => {
      const meta = store.meta();
      if (this.#isRenumbered(meta)) return undefined;
      const before = meta.sequence;
      // Evict old events first: a key is forgotten together with its event.
      const keyed = batch.some(({ key }) => key !== undefined);
      if ((keyed || this.#handle.isAgeDue()) && store.isStale()) store.evict(meta, true);
      const events: LogEvent[] = [];
      const outcomes = batch.map(({ entries, key }) => this.#writeOne(meta, entries, key, events));
      store.evict(meta, false);
      store.save(meta);
      return { before, after: meta.sequence, events, outcomes };
    });
    if (written === undefined) {
      this.#renumber();
      return this.#write(batch);
    }
    const { before, after, events, outcomes } = written;
    store.remember(events);
    this.#tellWritten(before, after, events);
    return outcomes;
  }

  #tellWritten(before: number, after: number, events: readonly LogEvent[]): void {
    if (before === this.#position) {
      if (after === before) return;
      this.#position = after;
      return this.#listeners.events(events, toPosition(after));
    }
    // A failure here must not reject the committed append. The next poll delivers the events.
    this.#version = -1;
    this.#look();
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
      this.#renumber();
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
    return toLogError(error, this.#handle.path, 'read');
  }

  #readPage(query: ReadQuery, whateverEpoch = false): ReadPage | undefined {
    const store = this.#store;
    return store.transact('read', () => {
      const meta = store.meta();
      return whateverEpoch || !this.#isRenumbered(meta) ? store.readPage(meta, query) : undefined;
    });
  }

  position(): Position | Promise<Position> {
    this.#checkOpen();
    return this.#untilFree(() => {
      let meta = this.#store.meta();
      if (this.#isRenumbered(meta)) {
        this.#renumber();
        meta = this.#store.meta();
      }
      return toPosition(meta.sequence);
    });
  }

  // Following ---------------------------------------------------------------------------------------------------------

  tail(listener: TailListener): { readonly position: Position; close(): void } {
    this.#checkOpen();
    // Without listeners nothing polled, so catch up first.
    if (this.#listeners.size === 0) this.#catchUpIfFree();
    const { position, close } = this.#listeners.add(listener, toPosition(this.#position));
    this.#armPoll();
    return {
      position,
      close: () => {
        close();
        if (this.#listeners.size === 0) this.#disarmPoll();
      },
    };
  }

  /** If another process holds the file, the next poll catches up and delivers the events since. */
  #catchUpIfFree(): void {
    try {
      this.#catchUp();
    } catch (error) {
      if (!isBusy(error)) throw this.#readError(error);
    }
  }

  #armPoll(): void {
    if (this.#poll !== undefined || this.#listeners.size === 0) return;
    this.#poll = this.#clock.after(this.#failing ? CHECK_MS : this.#pollMs, () => {
      this.#poll = undefined;
      this.#look();
      this.#armPoll();
    });
  }

  #disarmPoll(): void {
    this.#poll?.clear();
    this.#poll = undefined;
  }

  #look(): void {
    try {
      this.#checkFile();
      this.#handle.evictStale();
      const version = this.#store.version();
      if (version !== this.#version) this.#catchUp();
      this.#version = version;
      this.#failing = false;
    } catch (error) {
      if (isBusy(error)) return;
      // Report an error once, not with every poll.
      if (!this.#failing) this.#listeners.error(toLogError(error, this.#handle.path, 'read'));
      this.#failing = true;
    }
  }

  /** Delivers the events appended since. A large number takes several turns of the event loop. */
  #catchUp(): void {
    const store = this.#store;
    const found = store.transact('read', () => {
      const meta = store.meta();
      const followed =
        this.#listeners.size > 0 && !this.#isRenumbered(meta) && meta.evicted <= this.#position;
      return { meta, events: followed ? store.readTail(this.#position, TURN_EVENTS, TURN_BYTES) : [] };
    });
    const { meta, events } = found;
    if (this.#isRenumbered(meta)) return this.#renumber();
    const lost = meta.evicted > this.#position;
    const through = events.length === 0 ? meta.sequence : toNumber(events.at(-1)!.position);
    if (through === this.#position) return;
    this.#position = through;
    // Events were evicted before this process read them: live readers would miss them without notice.
    if (lost) this.#listeners.reset('trimmed', toPosition(through));
    else this.#listeners.events(events, toPosition(through));
    if (through === meta.sequence || this.#catchUpScheduled) return;
    this.#catchUpScheduled = true;
    this.#clock.defer(() => {
      this.#catchUpScheduled = false;
      // The next poll continues in any case.
      this.#version = -1;
      if (this.#closing === undefined) this.#look();
    });
  }

  // Numbering ---------------------------------------------------------------------------------------------------------

  #isRenumbered({ epoch, sequence }: Meta): boolean {
    return this.#replaced || epoch !== this.#epoch || sequence < this.#position;
  }

  /**
   * Determines how the numbering changed, and reports it. If the file is busy it throws, and the next caller repeats
   * it.
   */
  #renumber(): void {
    const store = this.#store;
    let meta = store.meta();
    if (meta.epoch === this.#epoch) {
      meta = store.transact('write', () => {
        const { epoch, sequence } = store.meta();
        const wentBack = epoch === this.#epoch && (this.#replaced || sequence < this.#position);
        if (wentBack) store.beginAnew(epoch);
        return store.meta();
      });
    }
    this.#replaced = false;
    if (meta.epoch === this.#epoch) return;
    const reason = meta.parent === this.#epoch ? 'rollback' : 'epoch';
    this.#epoch = meta.epoch;
    this.#position = meta.sequence;
    store.forgetRecent();
    this.#listeners.reset(reason, toPosition(meta.sequence));
  }

  #checkFile(isLast = false): void {
    if (!this.#handle.check(isLast)) return;
    this.#version = -1;
    this.#replaced = true;
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#listeners.clear();
    this.#disarmPoll();
    await this.#queue.drain();
    try {
      // Otherwise cursors of this process would name events of another history in the same epoch.
      await this.#untilFree(() => {
        this.#checkFile(true);
        if (this.#replaced) this.#renumber();
      });
    } finally {
      this.#closed = true;
      this.#handle.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return;
    throw refusal('closed', `The log ${this.#handle.path} is closed; open it again to go on.`);
  }
}

function checkPath(path: string): string {
  if (typeof path === 'string' && path !== '' && !path.startsWith(':') && !path.startsWith('file:')) {
    return resolvePath(path);
  }
  throw invalid(
    `path of a sqliteLog must be the path of a file, not ${JSON.stringify(path)}; for a log in memory use memoryLog.`,
  );
}

function checkPollMs(ms: number): number {
  if (ms > 0 && ms < Infinity) return ms;
  throw invalid(`pollMs of a sqliteLog must be a positive number, not ${String(ms)}.`);
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}
