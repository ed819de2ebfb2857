/** A clock that only a test advances. It serves as the clock of a server and of a client. */

/** A timer of the manual clock. Calling it clears it, as `clear` does: clients and servers each use one of the two. */
export interface ManualTimer {
  (): void;
  /** Clears the timer if it has not fired. */
  clear(): void;
}

/** A clock that advances only when a test calls `advance` or `sleep`. */
export interface ManualClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** The same as `now`. */
  wallNow(): number;
  /** A fixed sequence of numbers in [0, 1). Assign another function for other numbers, for example `() => 0.5`. */
  random: () => number;
  /** Calls `call` once, after `ms` have passed. */
  after(ms: number, call: () => void): ManualTimer;
  /** Calls `call` once, when the clock settles. */
  defer(call: () => void): void;
  /** Number of timers that are set and neither run nor cleared. A test that ends with some has leaked them. */
  readonly pending: number;
  /** Advances the clock by `ms`. Runs due timers in order, and settles after each. */
  advance(ms: number): Promise<void>;
  /** Runs deferred calls and lets promises settle. No time passes. */
  settle(): Promise<void>;
  /** Advances the clock but runs no timer, like a machine that sleeps. Due timers run at the next `advance`. */
  sleep(ms: number): void;
}

interface Alarm {
  readonly at: number;
  readonly call: () => void;
}

/** Promise chains of the code under test have only a few links. Each round settles one more link. */
const SETTLE_ROUNDS = 20;

async function settlePromises(): Promise<void> {
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) await Promise.resolve();
}

/**
 * Creates a clock for tests.
 *
 * @example
 *   import { createManualClock } from '@linefeed/shared/testing';
 *
 *   const clock = createManualClock();
 *   clock.after(1_000, () => console.log('one second later'));
 *   await clock.advance(1_000);
 *
 * @param startMs The time at the start, in milliseconds since 1970. Default: the first of January 2026, UTC
 * @param turn Lets the promises of the code under test settle. Default: 20 microtasks
 */
export function createManualClock(
  startMs: number = Date.UTC(2026, 0, 1),
  turn: () => Promise<void> = settlePromises,
): ManualClock {
  let nowMs = startMs;
  /** Earliest first. Alarms of one time are in the order of their calls of `after`. */
  const alarms: Alarm[] = [];
  let deferred: Array<() => void> = [];

  async function settle(): Promise<void> {
    do {
      const calls = deferred;
      deferred = [];
      for (const call of calls) call();
      await turn();
    } while (deferred.length > 0);
  }

  return {
    now: () => nowMs,
    wallNow: () => nowMs,
    random: seededRandom(1),
    after(ms, call) {
      const alarm: Alarm = { at: nowMs + Math.max(0, ms), call };
      alarms.splice(alarms.findLastIndex(({ at }) => at <= alarm.at) + 1, 0, alarm);
      const clear = (): void => {
        const index = alarms.indexOf(alarm);
        if (index !== -1) alarms.splice(index, 1);
      };
      return Object.assign(clear, { clear });
    },
    defer: (call) => void deferred.push(call),
    get pending() {
      return alarms.length;
    },
    settle,
    async advance(ms) {
      const endMs = nowMs + ms;
      await settle();
      while (alarms.length > 0 && alarms[0]!.at <= endMs) {
        const { at, call } = alarms.shift()!;
        nowMs = Math.max(nowMs, at);
        call();
        await settle();
      }
      nowMs = endMs;
    },
    sleep(ms) {
      nowMs += ms;
    },
  };
}

/** Random numbers in [0, 1) with a good distribution. The same seed gives the same numbers. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
