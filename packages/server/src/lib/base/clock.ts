/** Time and randomness. No other file of the server uses a timer or a random number. */
import { runOutside } from './async-scope.ts';

/** A timer that can be cleared. */
export interface Timer {
  /** Cancels the timer if it has not fired. */
  clear(): void;
}

/** The options of a timer. */
export interface AfterOptions {
  /**
   * Keeps the process alive until the timer fires. Needed for a wait that a caller awaits: the process could exit
   * first.
   */
  readonly keepsAlive?: boolean | undefined;
}

/** The time source of the server. Tests pass their own. */
export interface Clock {
  /** Monotonic milliseconds, from an arbitrary start. */
  now(): number;
  /** Milliseconds since 1970, for comparison with times from outside. */
  wallNow(): number;
  /** Calls `call` once after `ms` milliseconds. Does not keep the process alive, except with `keepsAlive`. */
  after(ms: number, call: () => void, options?: AfterOptions): Timer;
  /** Calls `call` once, after the input of this tick has been processed. */
  defer(call: () => void): void;
  /** A number in [0, 1). */
  random(): number;
}

interface Unreferenced {
  unref?(): void;
}

/** Longest delay that the timers of all runtimes accept. A longer delay fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const immediate = (globalThis as { setImmediate?: (call: () => void) => unknown }).setImmediate;

/** The real clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, call, { keepsAlive = false } = {}) {
    const handle = runOutside(() => setTimeout(call, Math.min(ms, MAX_TIMER_MS)));
    if (!keepsAlive) (handle as unknown as Unreferenced).unref?.();
    return { clear: () => clearTimeout(handle) };
  },
  defer(call) {
    // Runtimes without setImmediate (workers) do not delay the first nested timers of 0 ms.
    runOutside(() => (immediate === undefined ? setTimeout(call, 0) : immediate(call)));
  },
  random: () => Math.random(),
};
