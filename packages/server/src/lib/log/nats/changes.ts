/** Wakes those who wait for a change. */
import type { Clock } from '../../base/clock.ts';

export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Resolves with the next change, or after some milliseconds. An abort ends the wait too. */
  next(timers: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.clear();
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = timers.after(Math.max(0, ms), end);
      this.#waiting.add(end);
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  wake(): void {
    for (const end of [...this.#waiting]) end();
  }
}
