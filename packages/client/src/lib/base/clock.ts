/** Time and random numbers. Only this file sets timers. */

/** Runs `task` in a microtask. Test runners' fake timers replace `queueMicrotask`; `task` would then never run. */
export function soon(task: () => void): void {
  void Promise.resolve().then(task);
}

/** The client's source of time and random numbers. */
export interface Clock {
  /** Wall clock, in milliseconds since 1970. It advances while the machine sleeps; timers do not. */
  now(): number;
  /** A random number, at least 0 and less than 1. */
  random(): number;
  /** Runs `task` once after `delayMs`. The returned function cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

// In every engine a longer delay overflows to 0.
const MAX_DELAY_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** A clock that advances only when a test calls `advance` or `sleep`. */
export interface ManualClock extends Clock {
  /** The value that `random` returns. Initially 0.5. */
  chance: number;
  /** Number of timers that are set and neither run nor cancelled. */
  readonly pending: number;
  /** Advances the clock by `ms`. Runs due timers in order and lets promises settle after each timer. */
  advance(ms: number): Promise<void>;
  /**
   * Advances only the wall clock, as machine sleep or a frozen page does. Timers that become due run late, at the next
   * `advance`.
   */
  sleep(ms: number): void;
}

/**
 * Creates a clock for tests.
 *
 * @param startMs The wall clock at the start, in milliseconds since 1970
 */
export function createManualClock(startMs: number = 0): ManualClock {
  interface Timer {
    readonly dueAt: number;
    readonly task: () => void;
  }
  const timers = new Set<Timer>();
  let nowMs = startMs;
  const settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return {
    chance: 0.5,
    now: () => nowMs,
    random() {
      return this.chance;
    },
    after(delayMs, task) {
      const timer = { dueAt: nowMs + Math.max(0, delayMs), task };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    get pending() {
      return timers.size;
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (;;) {
        let next: Timer | undefined;
        for (const timer of timers) {
          if (timer.dueAt <= untilMs && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
        }
        if (next === undefined) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueAt);
        next.task();
        await settle();
      }
      nowMs = untilMs;
    },
    sleep(ms) {
      nowMs += ms;
    },
  };
}
