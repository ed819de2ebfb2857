/** A pause between two attempts, and its length. */
import type { Clock } from '../base/clock.ts';

/** First bound of a pause, in milliseconds. It doubles with each attempt. */
const FIRST_PAUSE_MS = 50;

/** The pause before the next attempt: full jitter below a bound that doubles. */
export class Backoff {
  readonly #clock: Clock;
  readonly #maxMs: number;
  #boundMs = FIRST_PAUSE_MS;

  constructor(clock: Clock, maxMs: number) {
    this.#clock = clock;
    this.#maxMs = maxMs;
  }

  next(): number {
    const pauseMs = this.#clock.random() * this.#boundMs;
    this.#boundMs = Math.min(this.#maxMs, this.#boundMs * 2);
    return pauseMs;
  }

  reset(): void {
    this.#boundMs = FIRST_PAUSE_MS;
  }
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      timer.clear();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
