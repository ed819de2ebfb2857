/** Appends that wait to be written: in order, many in one transaction, tried again while another process writes. */
import { MessageChannel } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import type { Appended, LogEntry } from '../log.ts';
import { sizeOf } from './bounds.ts';
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
  /** Gathers what a whole turn of the event loop appends, for where a transaction waits for the disk. */
  readonly gather: boolean;
  /** Writes all or throws. Gives for each append its outcome or what to reject it with. */
  write(batch: readonly WaitingAppend[]): Array<Appended | Error>;
  /** Whether another process writes at the moment. */
  isLocked(error: unknown): boolean;
  /** What to reject a batch with that could not be written. */
  toFailure(error: unknown): unknown;
  /** What to refuse an append with when `MAX_WAITING` entries or `MAX_WAITING_BYTES` wait. */
  toRefusal(what: string): Error;
}

/** Time between two attempts to write what waits when the log is closed. */
const DRAIN_RETRY_MS = 20;
/** Entries, and code units of them, that may wait to be written; an append beyond is refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Entries and code units of one transaction: what the event loop stands still for. */
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

  /** Writes everything. */
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

/** Keeps the process alive, which a timer of the clock does not: an append that waits is not to be lost by leaving. */
function holdProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => undefined);
  return () => port1.close();
}
