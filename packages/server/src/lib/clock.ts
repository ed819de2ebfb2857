/** Time and chance: the only file of the server that touches a timer or a random number. */
import { runOutside } from './async-scope.ts';

/** A timer that can be cleared. */
export interface Timer {
  clear(): void;
}

export interface AfterOptions {
  /** For a wait that a caller awaits: without it the process could end before. */
  readonly keepsAlive?: boolean | undefined;
}

/** What the server needs of its surroundings; tests bring their own. */
export interface Clock {
  /** Milliseconds that never go back, from any start. */
  now(): number;
  /** Milliseconds since 1970, for what is compared with the outside world. */
  wallNow(): number;
  /** Calls once, in `ms` milliseconds. Does not keep a process alive, unless it is asked to. */
  after(ms: number, call: () => void, options?: AfterOptions): Timer;
  /** Calls once, when the input of this tick has been worked through. */
  defer(call: () => void): void;
  /** A number in [0, 1). */
  random(): number;
}

interface Unreferenced {
  unref?(): void;
}

/** Longest delay that a timer of any runtime takes; beyond it they fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const immediate = (globalThis as { setImmediate?: (call: () => void) => unknown }).setImmediate;

/** The real one. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, call, { keepsAlive = false } = {}) {
    const handle = runOutside(() => setTimeout(call, Math.min(ms, MAX_TIMER_MS)));
    if (!keepsAlive) (handle as unknown as Unreferenced).unref?.();
    return { clear: () => clearTimeout(handle) };
  },
  defer(call) {
    // Runtimes without setImmediate (workers) clamp neither the first timers of a chain.
    runOutside(() => (immediate === undefined ? setTimeout(call, 0) : immediate(call)));
  },
  random: () => Math.random(),
};
