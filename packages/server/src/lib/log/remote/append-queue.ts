/**
 * FIFO queue of pending appends. It sends those of one tick as one batch, one batch at a time. A batch without an answer
 * is sent again with the same number, until all its appends have expired.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { BatchedAppend, BatchAnswer } from './remote-store.ts';
import { sizeOf } from '../bounds.ts';
import type { Appended } from '../log.ts';
import { isFinal, notSent, outcomeUnknown, refusedLater } from './errors.ts';
import { Backoff, pause } from '../../database/waiting.ts';

/** Limits of the queue, in entries and UTF-16 code units. An append past a limit is refused. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Limits of one batch, in entries and code units, but at least one append. */
const BATCH_ENTRIES = 500;
const BATCH_BYTES = 1024 * 1024;
/** Longest pause before a batch is sent again. */
const MAX_PAUSE_MS = 500;

interface Waiting extends BatchedAppend {
  readonly bytes: number;
  readonly expiresAt: number;
  isSettled: boolean;
  resolve(appended: Appended): void;
  reject(error: unknown): void;
}

interface Batch {
  readonly appends: readonly Waiting[];
  readonly number: number;
  /** Aborts when all appends have expired. */
  readonly abandoned: AbortController;
  lastError: unknown;
}

export interface AppendQueueOptions {
  readonly clock: Clock;
  /** For messages. */
  readonly name: string;
  /** Longest time from the call of `append` to its outcome, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest time of one attempt. */
  readonly attemptMs: number;
  send(
    appends: readonly BatchedAppend[],
    number: number,
    ms: number,
    signal: AbortSignal,
  ): Promise<BatchAnswer>;
  /** The error for an append that exceeds `MAX_WAITING` entries or `MAX_WAITING_BYTES`. */
  toRefusal(what: string): Error;
}

export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #waiting: Waiting[] = [];
  #entries = 0;
  #bytes = 0;
  #number = 0;
  #batch: Batch | undefined;
  #isScheduled = false;
  /** Fires when the oldest append expires. It keeps the process alive: an exit would lose the append. */
  #expiry: Timer | undefined;
  #lastError: unknown;
  readonly #onIdle: Array<() => void> = [];

  constructor(options: AppendQueueOptions) {
    this.#options = options;
  }

  add({ entries, idempotencyKey }: BatchedAppend): Promise<Appended> {
    const { clock, timeoutMs, toRefusal } = this.#options;
    const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry, idempotencyKey), 0);
    if (this.#waiting.length > 0) {
      if (this.#entries + entries.length > MAX_WAITING)
        return Promise.reject(toRefusal(`${MAX_WAITING} events`));
      if (this.#bytes + bytes > MAX_WAITING_BYTES)
        return Promise.reject(toRefusal(`${MAX_WAITING_BYTES} bytes of events`));
    }
    return new Promise((resolve, reject) => {
      const expiresAt = clock.now() + timeoutMs;
      this.#waiting.push({ entries, idempotencyKey, bytes, expiresAt, isSettled: false, resolve, reject });
      this.#entries += entries.length;
      this.#bytes += bytes;
      this.#armExpiry();
      this.#schedule();
    });
  }

  /** Resolves when no append waits for its outcome any more. */
  drained(): Promise<void> {
    if (this.#batch === undefined && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** The appends of the rest of this tick join the batch. */
  #schedule(): void {
    if (this.#isScheduled || this.#batch !== undefined) return;
    this.#isScheduled = true;
    this.#options.clock.defer(() => {
      this.#isScheduled = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#batch !== undefined) return;
    const appends = this.#takeBatch();
    if (appends.length === 0) return this.#idle();
    this.#number += 1;
    const batch = { appends, number: this.#number, abandoned: new AbortController(), lastError: undefined };
    this.#batch = batch;
    void this.#send(batch).finally(() => {
      this.#batch = undefined;
      this.#next();
    });
  }

  #idle(): void {
    this.#expiry?.clear();
    this.#expiry = undefined;
    this.#lastError = undefined;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #takeBatch(): Waiting[] {
    let entries = 0;
    let bytes = 0;
    let end = 0;
    while (end < this.#waiting.length) {
      const next = this.#waiting[end]!;
      const isFull = entries + next.entries.length > BATCH_ENTRIES || bytes + next.bytes > BATCH_BYTES;
      if (end > 0 && isFull) break;
      entries += next.entries.length;
      bytes += next.bytes;
      end += 1;
    }
    this.#entries -= entries;
    this.#bytes -= bytes;
    return this.#waiting.splice(0, end);
  }

  /** Sends a batch until it has an outcome, or all its appends have expired. */
  async #send(batch: Batch): Promise<void> {
    const { clock, attemptMs, send } = this.#options;
    const { appends, number, abandoned } = batch;
    const { signal } = abandoned;
    const backoff = new Backoff(clock, MAX_PAUSE_MS);
    while (!signal.aborted) {
      try {
        return settle(
          appends,
          await send(appends, /* seam: repeat-keeps-number */ number, attemptMs, signal),
        );
      } catch (error) {
        if (signal.aborted) return;
        if (isFinal(error)) return this.#refuse(batch, error);
        batch.lastError = this.#lastError = error;
      }
      await pause(clock, backoff.next(), signal);
    }
  }

  #refuse({ appends, lastError }: Batch, error: unknown): void {
    const refused = lastError === undefined ? error : refusedLater(this.#options.name, error);
    for (const append of appends) reject(append, refused);
  }

  // Expiry ------------------------------------------------------------------------------------------------------------

  #armExpiry(): void {
    const { clock } = this.#options;
    if (this.#expiry !== undefined) return;
    const next = this.#batch?.appends.find(({ isSettled }) => !isSettled) ?? this.#waiting[0];
    if (next === undefined) return;
    this.#expiry = clock.after(
      Math.max(0, next.expiresAt - clock.now()),
      () => {
        this.#expiry = undefined;
        this.#expire();
        this.#armExpiry();
      },
      { keepsAlive: true },
    );
  }

  #expire(): void {
    const { clock, name, timeoutMs } = this.#options;
    const now = clock.now();
    const batch = this.#batch;
    if (batch !== undefined) {
      // The batch keeps its number and its content: it may have been performed already. If it is performed later, the
      // next number fences it.
      for (const append of batch.appends) {
        if (append.expiresAt <= now) reject(append, outcomeUnknown(name, timeoutMs, batch.lastError));
      }
      if (batch.appends.every(({ isSettled }) => isSettled)) batch.abandoned.abort();
    }
    while ((this.#waiting[0]?.expiresAt ?? Infinity) <= now) {
      const append = this.#waiting.shift()!;
      this.#entries -= append.entries.length;
      this.#bytes -= append.bytes;
      reject(append, notSent(name, timeoutMs, this.#lastError));
    }
  }
}

function settle(appends: readonly Waiting[], { after, outcomes }: BatchAnswer): void {
  for (const [index, append] of appends.entries()) {
    const outcome = outcomes[index]!;
    if (outcome instanceof Error) reject(append, outcome);
    else if (!append.isSettled) {
      append.isSettled = true;
      append.resolve({ epoch: after.epoch, position: outcome.position, duplicate: outcome.duplicate });
    }
  }
}

function reject(append: Waiting, error: unknown): void {
  if (append.isSettled) return;
  append.isSettled = true;
  append.reject(error);
}
