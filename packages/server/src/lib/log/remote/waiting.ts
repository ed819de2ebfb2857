/** Waits with a bound: the deadline of a call, a pause between two attempts, and the length of that pause. */
import type { Clock } from '../../base/clock.ts';
import { NoAnswer } from './errors.ts';

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

export interface Deadline {
  readonly clock: Clock;
  /** For the message of the error. */
  readonly name: string;
  readonly ms: number;
  /** Ends the wait earlier. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The result of a call, or a rejection when its deadline has passed. The call gets a signal that aborts then: it need
 * not obey it.
 *
 * @throws NoAnswer
 */
export function withDeadline<T>(
  { clock, name, ms, signal }: Deadline,
  perform: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const finish = (): void => {
      timer.clear();
      signal?.removeEventListener('abort', give);
    };
    const give = (): void => {
      const error = new NoAnswer(name, ms);
      finish();
      reject(error);
      controller.abort(error);
    };
    const timer = clock.after(ms, give);
    if (signal?.aborted === true) return give();
    signal?.addEventListener('abort', give, { once: true });
    // A late result or error changes nothing.
    void (async () => await perform(controller.signal))().then(resolve, reject).finally(finish);
  });
}
