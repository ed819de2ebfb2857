/** FIFO queue of pending appends. It batches many into one transaction, and retries while another process writes. */
import { MessageChannel } from 'node:worker_threads';
import type { Clock } from '../../base/clock.ts';
import type { Appended, LogEntry } from '../log.ts';
import { sizeOf } from '../bounds.ts';
import { LockWait } from './lock-wait.ts';

/** One call of `append`. */
export interface WaitingAppend {
  readonly entries: readonly LogEntry[];
  readonly key: string | undefined;
}

interface Waiting extends WaitingAppend {
  resolve(appended: Appended): void;
  reject(error: unknown): void;
}

export interface AppendQueueOptions {
  readonly clock: Clock;
  /** Collects the appends of a whole event-loop turn into one batch, for logs whose transactions wait for the disk. */
  readonly gather: boolean;
  /** Writes all or throws. Returns for each append its outcome, or the error to reject it with. */
  write(batch: readonly WaitingAppend[]): Array<Appended | Error>;
  /** Whether the error means that another process is writing. */
  isLocked(error: unknown): boolean;
  /** The error for each append of a batch that could not be written. */
  toFailure(error: unknown): unknown;
  /** The error for an append that exceeds `MAX_WAITING` entries or `MAX_WAITING_BYTES`. */
  toRefusal(what: string): Error;
}

/** Delay between two attempts to write the queue when the log is closed. */
const DRAIN_RETRY_MS = 20;
/** Limits of the queue, in entries and UTF-16 code units. An append past a limit is refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Limits of one transaction, in entries and code units. A transaction blocks the event loop. */
const BATCH_ENTRIES = 500;
const BATCH_BYTES = 1024 * 1024;

export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #waiting: Waiting[] = [];
  #entries = 0;
  #bytes = 0;
  #scheduled = false;
  readonly #lockWait: LockWait;
  #releaseProcess: (() => void) | undefined;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
    this.#lockWait = new LockWait(options.clock);
  }

  add(entries: readonly LogEntry[], key: string | undefined): Promise<Appended> {
    const bytes = bytesOf({ entries, key });
    if (this.#waiting.length > 0) {
      const { toRefusal } = this.#options;
      if (this.#entries + entries.length > MAX_WAITING)
        return Promise.reject(toRefusal(`${MAX_WAITING} events`));
      if (this.#bytes + bytes > MAX_WAITING_BYTES)
        return Promise.reject(toRefusal(`${MAX_WAITING_BYTES} bytes of events`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, key, resolve, reject });
      this.#entries += entries.length;
      this.#bytes += bytes;
      const { gather, clock } = this.#options;
      this.#schedule((flush) => (gather ? clock.defer(flush) : void Promise.resolve().then(flush)));
    });
  }

  /** Writes the whole queue. */
  async drain(): Promise<void> {
    for (this.#flush(); this.#waiting.length > 0; this.#flush()) {
      await new Promise<void>((resolve) => void this.#options.clock.after(DRAIN_RETRY_MS, resolve));
    }
  }

  #schedule(start: (flush: () => void) => void): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    start(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { write, toFailure, clock } = this.#options;
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    try {
      const outcomes = write(batch);
      this.#endLockWait();
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index]!;
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      }
    } catch (error) {
      if (this.#waitForLock(error, batch)) return;
      const failure = toFailure(error);
      for (const { reject } of batch) reject(failure);
    }
    if (this.#waiting.length > 0) this.#schedule((flush) => clock.defer(flush));
  }

  #takeBatch(): Waiting[] {
    let entries = 0;
    let bytes = 0;
    let end = 0;
    while (end < this.#waiting.length && (end === 0 || (entries < BATCH_ENTRIES && bytes < BATCH_BYTES))) {
      const next = this.#waiting[end]!;
      entries += next.entries.length;
      bytes += bytesOf(next);
      end += 1;
    }
    this.#entries -= entries;
    this.#bytes -= bytes;
    return this.#waiting.splice(0, end);
  }

  #waitForLock(error: unknown, batch: Waiting[]): boolean {
    const { clock, isLocked } = this.#options;
    const wait = isLocked(error) ? this.#lockWait.next() : undefined;
    if (wait === undefined) {
      this.#endLockWait();
      return false;
    }
    this.#releaseProcess ??= holdProcess();
    this.#waiting.unshift(...batch);
    for (const append of batch) {
      this.#entries += append.entries.length;
      this.#bytes += bytesOf(append);
    }
    this.#schedule((flush) => void clock.after(wait, flush));
    return true;
  }

  #endLockWait(): void {
    this.#lockWait.end();
    this.#releaseProcess?.();
    this.#releaseProcess = undefined;
  }
}

function bytesOf({ entries, key }: WaitingAppend): number {
  return entries.reduce((sum, entry) => sum + sizeOf(entry, key), 0);
}

/** Keeps the process alive while an append waits. Clock timers do not, and a process exit would lose the append. */
function holdProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => undefined);
  return () => port1.close();
}
