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
