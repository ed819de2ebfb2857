/** Retry while another process holds the file: exponential back-off, up to a time limit. */
import type { Clock } from '../../base/clock.ts';

/** An operation fails if the file stays locked for this long. */
const LOCK_TIMEOUT_MS = 5_000;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 16;

export class LockWait {
  readonly #clock: Clock;
  #since: number | undefined;
  #wait = FIRST_WAIT_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Milliseconds until the next attempt. `undefined`: the time limit is reached, and the next call starts a new wait.
   */
  next(): number | undefined {
    const now = this.#clock.now();
    this.#since ??= now;
    if (now - this.#since >= LOCK_TIMEOUT_MS) {
      this.end();
      return undefined;
    }
    const wait = this.#wait;
    this.#wait = Math.min(LONGEST_WAIT_MS, wait * 2);
    return wait;
  }

  end(): void {
    this.#since = undefined;
    this.#wait = FIRST_WAIT_MS;
  }
}

/** Retries work that just found the file locked: waits first, then tries again until the time limit. */
export async function retryLocked<T>(
  clock: Clock,
  isLocked: (error: unknown) => boolean,
  work: () => T,
): Promise<T> {
  const lockWait = new LockWait(clock);
  for (let wait = lockWait.next()!; ;) {
    await new Promise<void>((resolve) => void clock.after(wait, resolve));
    try {
      return work();
    } catch (error) {
      const next = isLocked(error) ? lockWait.next() : undefined;
      if (next === undefined) throw error;
      wait = next;
    }
  }
}
