/** Cache of recently read or appended events, so that all readers of an event share one object and its frame. */
import type { LogEvent } from '../log.ts';

/** Limits of the cache: events, and code units of payload. */
const MAX_EVENTS = 4096;
const MAX_BYTES = 8 * 1024 * 1024;

export class RecentEvents {
  /** By position; insertion order is age. */
  readonly #events = new Map<number, LogEvent>();
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxEvents: number = MAX_EVENTS, maxBytes: number = MAX_BYTES) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#events.size;
  }

  get(position: number): LogEvent | undefined {
    return this.#events.get(position);
  }

  /** An event larger than the whole cache is not kept. */
  add(position: number, event: LogEvent): void {
    if (this.#events.has(position) || event.data.length > this.#maxBytes) return;
    this.#events.set(position, event);
    this.#bytes += event.data.length;
    for (const [oldest, { data }] of this.#events) {
      if (this.#events.size <= this.#maxEvents && this.#bytes <= this.#maxBytes) return;
      this.#events.delete(oldest);
      this.#bytes -= data.length;
    }
  }

  clear(): void {
    this.#events.clear();
    this.#bytes = 0;
  }
}
