/** A clock that moves only on demand, with random numbers from a seed. */
import type { Clock, Timer } from '../base/clock.ts';

/** A clock that advances only when a test calls `advance`. */
export interface ManualClock extends Clock {
  /** Lets `ms` pass: runs deferred calls and due timers in order, and awaits the promises that they start. */
  advance(ms: number): Promise<void>;
  /** Runs deferred calls and settles promises without letting time pass. */
  settle(): Promise<void>;
  /** Number of timers that are set. A test that ends with some has leaked them. */
  readonly pendingTimers: number;
}

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
}

/** Promise chains of the code under test have only a few links. Each round settles one more link. */
const SETTLE_ROUNDS = 20;

/**
 * Creates a clock that advances only when a test calls `advance`.
 *
 * @param seed Determines every `random()`
 */
export function createManualClock(seed = 1): ManualClock {
  const epochMs = Date.UTC(2026, 0, 1);
  const random = mulberry32(seed);
  let now = 0;
  let order = 0;
  let alarms: Alarm[] = [];
  let deferred: Array<() => void> = [];

  async function settle(): Promise<void> {
    let quiet = 0;
    while (quiet < SETTLE_ROUNDS) {
      const calls = deferred;
      deferred = [];
      for (const call of calls) call();
      quiet = calls.length > 0 ? 0 : quiet + 1;
      await Promise.resolve();
    }
  }

  return {
    now: () => now,
    wallNow: () => epochMs + now,
    random,
    defer: (call) => void deferred.push(call),
    after(ms, call): Timer {
      const alarm: Alarm = { at: now + Math.max(0, ms), order: (order += 1), call };
      alarms.push(alarm);
      return { clear: () => void (alarms = alarms.filter((other) => other !== alarm)) };
    },
    get pendingTimers() {
      return alarms.length;
    },
    settle,
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const due = alarms
          .filter(({ at }) => at <= end)
          .toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
        if (due === undefined) break;
        alarms = alarms.filter((other) => other !== due);
        now = Math.max(now, due.at);
        due.call();
        await settle();
      }
      now = end;
    },
  };
}

/** A small generator with a good distribution. The same seed gives the same numbers. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
