/** The only clock of a simulated world: time advances only after all pending work has run. */
import type { Clock as ClientClock } from '../packages/client/src/lib/base/clock.ts';
import type { Clock as ServerClock } from '../packages/server/src/lib/base/clock.ts';

export interface SimClock {
  now(): number;
  readonly server: ServerClock;
  readonly client: ClientClock;
  after(ms: number, call: () => void): () => void;
  sleep(ms: number): Promise<void>;
  /** Advances the time, and runs due timers. */
  advance(ms: number): Promise<void>;
  /** Number of timers that are set. */
  readonly pending: number;
  /**
   * Called with each read of the log or of a socket's room. @throws if there are too many in one turn: some loop makes
   * no progress.
   */
  look(): void;
  /** Called with errors of timers and deferred calls. In a real process such an error would end it. */
  onStray: (error: unknown) => void;
}

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly call: () => void;
}

const START_MS = Date.UTC(2026, 0, 1);
/** Calls of `look` in one turn of the event loop. The busiest turn of a correct world has some thousands. */
const MAX_LOOKS = 20_000;
/** Turns of the event loop at the same time. */
const MAX_TURNS = 5_000;

export function createSimClock(random: () => number): SimClock {
  let now = 0;
  let order = 0;
  const alarms: Alarm[] = [];
  let deferred: Array<() => void> = [];
  let looks = 0;

  const look = (): void => {
    looks += 1;
    if (looks > MAX_LOOKS)
      throw new Error(`more than ${MAX_LOOKS} looks in one turn: a loop without progress`);
  };

  const after = (ms: number, call: () => void): (() => void) => {
    const alarm: Alarm = { at: now + Math.max(0, ms), order: (order += 1), call };
    let index = alarms.findLastIndex((other) => other.at <= alarm.at);
    alarms.splice((index += 1), 0, alarm);
    return () => {
      const at = alarms.indexOf(alarm);
      if (at !== -1) alarms.splice(at, 1);
    };
  };

  const guarded = (call: () => void): void => {
    try {
      call();
    } catch (error) {
      sim.onStray(error);
    }
  };

  /** Nothing here does real I/O, so one turn of the event loop settles every promise. */
  async function settle(): Promise<void> {
    let turns = 0;
    do {
      looks = 0;
      turns += 1;
      if (turns > MAX_TURNS)
        throw new Error(`more than ${MAX_TURNS} turns at one time: a loop without progress`);
      const calls = deferred;
      deferred = [];
      for (const call of calls) guarded(call);
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (deferred.length > 0);
  }

  const sim: SimClock = {
    onStray(error) {
      throw error;
    },
    now: () => now,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    server: {
      now: () => now,
      wallNow: () => START_MS + now,
      random,
      defer: (call) => void deferred.push(call),
      after: (ms, call) => ({ clear: after(ms, call) }),
    },
    client: { now: () => START_MS + now, random, after },
    get pending() {
      return alarms.length;
    },
    look,
    async advance(ms) {
      const end = now + ms;
      await settle();
      while (alarms.length > 0 && alarms[0]!.at <= end) {
        const alarm = alarms.shift()!;
        now = Math.max(now, alarm.at);
        guarded(alarm.call);
        await settle();
      }
      now = end;
    },
  };
  return sim;
}

/** Random numbers in [0, 1) from a seed, and values drawn with them. */
export interface Chance {
  (): number;
  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  /** True with this probability. */
  is(probability: number): boolean;
}

export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return Object.assign(next, {
    between: (low: number, high: number) => low + Math.floor(next() * (high - low + 1)),
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!,
    is: (probability: number) => next() < probability,
  });
}
