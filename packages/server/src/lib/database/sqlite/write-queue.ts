/** FIFO queue of pending writes. It batches many into one transaction, and retries while another process writes. */
import { MessageChannel } from 'node:worker_threads';
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { isBusy, toFileError } from './errors.ts';
import type { FileKind } from './file-kind.ts';
import { LockWait } from './lock-wait.ts';

/** The size of one write: how many events, and how many UTF-16 code units. */
interface WriteSize {
  readonly events: number;
  readonly bytes: number;
}

interface Waiting<Write, Outcome> extends WriteSize {
  readonly write: Write;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

export interface WriteQueueOptions<Write, Outcome> {
  readonly clock: Clock;
  readonly kind: FileKind;
  readonly path: string;
  /** Collects the writes of a whole event-loop turn into one batch, where a transaction costs more than a turn. */
  readonly gather: boolean;
  sizeOf(write: Write): WriteSize;
  /** Writes all or throws. Returns for each write its outcome, or the error to reject it with. */
  write(batch: readonly Write[]): Array<Outcome | Error>;
}

/** Delay between two attempts to write the queue when it is drained. */
const DRAIN_RETRY_MS = 20;
/** Limits of the queue, in events and UTF-16 code units. A write past a limit is refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Limits of one transaction, in events and code units. A transaction blocks the event loop. */
const BATCH_EVENTS = 500;
const BATCH_BYTES = 1024 * 1024;

export class WriteQueue<Write, Outcome> {
  readonly #options: WriteQueueOptions<Write, Outcome>;
  #waiting: Array<Waiting<Write, Outcome>> = [];
  #events = 0;
  #bytes = 0;
  #scheduled = false;
  readonly #lockWait: LockWait;
  #releaseProcess: (() => void) | undefined;

  constructor(options: WriteQueueOptions<Write, Outcome>) {
    this.#options = options;
    this.#lockWait = new LockWait(options.clock);
  }

  add(write: Write): Promise<Outcome> {
    const { events, bytes } = this.#options.sizeOf(write);
    if (this.#waiting.length > 0) {
      if (this.#events + events > MAX_WAITING) return Promise.reject(this.#refusal(`${MAX_WAITING} events`));
      if (this.#bytes + bytes > MAX_WAITING_BYTES)
        return Promise.reject(this.#refusal(`${MAX_WAITING_BYTES} bytes of events`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, events, bytes, resolve, reject });
      this.#events += events;
      this.#bytes += bytes;
      const { gather, clock } = this.#options;
      this.#schedule((flush) => (gather ? clock.defer(flush) : void Promise.resolve().then(flush)));
    });
  }

  #refusal(what: string): LinefeedError {
    const { kind, path } = this.#options;
    return new LinefeedError(
      kind.code,
      `More than ${what} wait to be written to the ${kind.noun} ${path}; write slower, or find the process that holds the file.`,
      { retryable: true },
    );
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
    const { clock, kind, path } = this.#options;
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    try {
      const outcomes = this.#options.write(batch.map(({ write }) => write));
      this.#endLockWait();
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome as Outcome);
      }
    } catch (error) {
      if (this.#waitForLock(error, batch)) return;
      const failure = toFileError(kind, error, path, 'written');
      for (const { reject } of batch) reject(failure);
    }
    if (this.#waiting.length > 0) this.#schedule((flush) => clock.defer(flush));
  }

  #takeBatch(): Array<Waiting<Write, Outcome>> {
    let events = 0;
    let bytes = 0;
    let end = 0;
    while (end < this.#waiting.length && (end === 0 || (events < BATCH_EVENTS && bytes < BATCH_BYTES))) {
      events += this.#waiting[end]!.events;
      bytes += this.#waiting[end]!.bytes;
      end += 1;
    }
    this.#events -= events;
    this.#bytes -= bytes;
    return this.#waiting.splice(0, end);
  }

  #waitForLock(error: unknown, batch: ReadonlyArray<Waiting<Write, Outcome>>): boolean {
    const wait = isBusy(error) ? this.#lockWait.next() : undefined;
    if (wait === undefined) {
      this.#endLockWait();
      return false;
    }
    this.#releaseProcess ??= holdProcess();
    this.#waiting.unshift(...batch);
    for (const { events, bytes } of batch) {
      this.#events += events;
      this.#bytes += bytes;
    }
    this.#schedule((flush) => void this.#options.clock.after(wait, flush));
    return true;
  }

  #endLockWait(): void {
    this.#lockWait.end();
    this.#releaseProcess?.();
    this.#releaseProcess = undefined;
  }
}

/** Keeps the process alive while a write waits. Clock timers do not, and a process exit would lose the write. */
function holdProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => undefined);
  return () => port1.close();
}
