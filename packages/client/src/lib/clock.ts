/** Time and chance: the only file that sets timers. */

/** Runs `task` in a microtask. Fake timers of test runners replace `queueMicrotask`, and then nothing would run. */
export function soon(task: () => void): void {
  void Promise.resolve().then(task);
}

/** What the client takes time and chance from. */
export interface Clock {
  /** Wall clock, milliseconds since 1970: it goes on while the machine sleeps, as timers do not. */
  now(): number;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** Runs `task` once, `delayMs` from now; returns what cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

// A longer delay overflows to 0 in every engine.
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** What `random` gives; 0.5 at first. */
  chance: number;
  /** Timers that are set and have neither run nor been cancelled. */
  readonly pending: number;
  /** Moves on, runs what falls due in its order, and lets promises settle behind each timer. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone, as sleep and a frozen page do: what fell due runs, late, at the next `advance`. */
  sleep(ms: number): void;
}

/** Makes a clock for tests. */
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
