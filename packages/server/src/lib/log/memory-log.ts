/** A log in the memory of this process. It needs no setup, and is lost when the process ends. */
import type { Position } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../base/clock.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogCursor,
  LogEntry,
  ReadPage,
  ReadQuery,
  Tail,
  TailListener,
} from './log.ts';
import { randomEpoch, checkLogOptions, resolveBounds, type LogBounds } from './bounds.ts';
import { checkKeyed, conflictOf } from './idempotency.ts';
import type { StoredEvent } from './event-queue.ts';
import { HeldEvents } from './held-events.ts';
import { TailListeners } from './tail-listeners.ts';

export type { LogBounds } from './bounds.ts';

/** The options of `memoryLog`. */
export interface MemoryLogOptions extends LogBounds {
  /** @internal */
  readonly clock?: Clock | undefined;
}

/**
 * A bounded log in memory. Every start has a new epoch, so that cursors of an earlier process cause a gap.
 *
 * @example
 *   import { memoryLog } from '@linefeed/server';
 *
 *   const log = memoryLog({ maxEvents: 50_000, maxAgeMs: 24 * 3_600_000 });
 *
 * @param options Bounds of the log
 * @throws LinefeedError `invalid_option` for a bound that is not a positive number.
 */
export function memoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options);
}

/** Whether only this process has the events of a log. */
export function isMemoryLog(log: Log): boolean {
  return log instanceof MemoryLog;
}

class MemoryLog implements Log {
  readonly epoch: string;
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #held: HeldEvents;
  readonly #listeners = new TailListeners();
  #sequence = 0;

  constructor(options: MemoryLogOptions) {
    checkLogOptions('memoryLog', options);
    this.#clock = options.clock ?? systemClock;
    this.epoch = randomEpoch(this.#clock);
    const bounds = resolveBounds(options);
    this.#maxAgeMs = bounds.maxAgeMs;
    this.#held = new HeldEvents(bounds, (position) => parseInt(position, 36));
  }

  append(entries: readonly LogEntry[], options: AppendOptions = {}): Appended {
    checkKeyed(entries, options);
    this.#evict();
    const earlier = this.#findDuplicate(entries, options.idempotencyKey);
    if (earlier !== undefined) return { epoch: this.epoch, position: earlier.position, duplicate: true };
    const appended = entries.map((entry) => this.#append(entry, options.idempotencyKey));
    this.#evict();
    const position = this.#position;
    if (appended.length > 0) this.#listeners.events(appended, position);
    return { epoch: this.epoch, position, duplicate: false };
  }

  #findDuplicate([entry]: readonly LogEntry[], key: string | undefined): StoredEvent | undefined {
    if (key === undefined || entry === undefined) return undefined;
    const held = this.#held.keyed(entry.address, key);
    if (held !== undefined && held.data !== entry.data) throw conflictOf(entry.address, key);
    return held;
  }

  #append({ address, data, keep }: LogEntry, idempotencyKey: string | undefined): StoredEvent {
    this.#sequence += 1;
    const held: StoredEvent = {
      address,
      data,
      position: this.#position,
      prev: keep === 'latest' ? undefined : this.#held.lastOf(address),
      sequence: this.#sequence,
      keep,
      appendedAt: this.#clock.now(),
      idempotencyKey,
      gone: false,
    };
    this.#held.add(held);
    return held;
  }

  read(query: ReadQuery): ReadPage {
    this.#evict();
    return { epoch: this.epoch, ...this.#held.read(query, this.#position) };
  }

  newest(): LogCursor {
    return { epoch: this.epoch, position: this.#position };
  }

  get #position(): Position {
    return this.#sequence.toString(36);
  }

  tail(listener: TailListener): Tail {
    return this.#listeners.add(listener, this.newest());
  }

  #evict(): void {
    this.#held.evict(this.#clock.now() - this.#maxAgeMs);
  }
}
