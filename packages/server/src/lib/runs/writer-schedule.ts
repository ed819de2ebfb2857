/** Calls the writers of a process: once per tick to flush, and at an interval to renew leases. One timer for all. */
import type { Clock, Timer } from '../base/clock.ts';

export interface ScheduledWriter {
  flush(): void;
  /** `marginMs`: time until the next call. */
  check(now: number, marginMs: number): void;
}

export class WriterSchedule {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #writers = new Set<ScheduledWriter>();
  #waiting: ScheduledWriter[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  add(writer: ScheduledWriter): void {
    this.#writers.add(writer);
    this.#setTimer();
  }

  remove(writer: ScheduledWriter): void {
    this.#writers.delete(writer);
    if (this.#writers.size > 0) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** Flushes the writer after the input of this tick was processed. */
  flushSoon(writer: ScheduledWriter): void {
    this.#waiting.push(writer);
    if (this.#waiting.length > 1) return;
    this.#clock.defer(() => {
      const writers = this.#waiting;
      this.#waiting = [];
      for (const waiting of writers) waiting.flush();
    });
  }

  #setTimer(): void {
    this.#timer ??= this.#clock.after(this.#intervalMs, () => {
      this.#timer = undefined;
      const now = this.#clock.now();
      for (const writer of this.#writers) writer.check(now, this.#intervalMs);
      if (this.#writers.size > 0) this.#setTimer();
    });
  }
}
