/** Stored events of a log in memory, oldest first. Any of them can be removed. */
import { sizeOf } from './bounds.ts';
import type { Run } from './k-way-merge.ts';
import type { LogEvent } from './log.ts';

/** An event of a log in memory. */
export interface StoredEvent extends LogEvent {
  readonly sequence: number;
  readonly keep: 'all' | 'latest';
  readonly appendedAt: number;
  readonly idempotencyKey: string | undefined;
  /** Superseded or evicted. It stays in its queues until it reaches their heads. */
  gone: boolean;
}

/**
 * A FIFO queue whose items can be removed at any place. A removed item is subtracted from the counters at once. It is
 * deleted when it reaches the head.
 */
export class EventQueue<E extends StoredEvent = StoredEvent> {
  #items: E[] = [];
  #first = 0;
  #bytes = 0;
  count = 0;

  get head(): E | undefined {
    return this.#items[this.#first];
  }

  push(held: E): void {
    this.#items.push(held);
    this.count += 1;
    this.#bytes += sizeOf(held, held.idempotencyKey);
    // Superseded values accumulate between held ones, where they never reach the head.
    if (this.#items.length > 16 && this.#items.length > 4 * this.count) this.#compact();
  }

  /** Subtracts a removed item from the counters. */
  release(held: E): void {
    this.count -= 1;
    this.#bytes -= sizeOf(held, held.idempotencyKey);
    while (this.#items[this.#first]?.gone === true) this.#first += 1;
    if (this.#first > 1024 && this.#first > this.#items.length / 2) this.#compact();
  }

  isOver(maxEvents: number, maxBytes: number): boolean {
    return this.count > maxEvents || (this.#bytes > maxBytes && this.count > 0);
  }

  /** A run that starts at the first event after a sequence number. */
  runAfter(sequence: number): QueueRun<E> {
    let low = this.#first;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#items[middle]!.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return new QueueRun(this.#items, low);
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#first).filter((held) => !held.gone);
    this.#first = 0;
  }
}

/** Iterates over a queue. The queue must not change during the iteration. */
export class QueueRun<E extends StoredEvent = StoredEvent> implements Run {
  head: number = Infinity;
  readonly #items: readonly E[];
  #index: number;

  constructor(items: readonly E[], index: number) {
    this.#items = items;
    this.#index = index - 1;
    this.take();
  }

  get event(): E {
    return this.#items[this.#index]!;
  }

  take(): void {
    do this.#index += 1;
    while (this.#items[this.#index]?.gone === true);
    this.head = this.#items[this.#index]?.sequence ?? Infinity;
  }
}
