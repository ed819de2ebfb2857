/** The only clock of a simulated world: time advances only after all pending work has run. */
import type { Clock as ClientClock } from '../packages/client/src/lib/base/clock.ts';
import type { BrowserTab } from '../packages/client/test/browser.ts';
import type { Clock as ServerClock } from '../packages/server/src/lib/base/clock.ts';
import { createManualClock, seededRandom } from '../packages/shared/src/testing.ts';

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

const START_MS = Date.UTC(2026, 0, 1);
/** Calls of `look` in one turn of the event loop. The busiest turn of a correct world has some thousands. */
const MAX_LOOKS = 20_000;
/** Turns of the event loop at the same time. */
const MAX_TURNS = 5_000;

export function createSimClock(random: () => number): SimClock {
  let looks = 0;
  let turns = 0;
  let turnsAt = START_MS;

  /** Nothing here does real I/O, so one turn of the event loop settles every promise. */
  async function turn(): Promise<void> {
    looks = 0;
    turns = clock.now() === turnsAt ? turns + 1 : 1;
    turnsAt = clock.now();
    if (turns > MAX_TURNS)
      throw new Error(`more than ${MAX_TURNS} turns at one time: a loop without progress`);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }

  const clock = createManualClock(START_MS, turn);

  const guarded = (call: () => void) => (): void => {
    try {
      call();
    } catch (error) {
      sim.onStray(error);
    }
  };
  const after = (ms: number, call: () => void): (() => void) => clock.after(ms, guarded(call));
  const now = (): number => clock.now() - START_MS;

  const sim: SimClock = {
    onStray(error) {
      throw error;
    },
    now,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    server: {
      now,
      wallNow: clock.wallNow,
      random,
      defer: (call) => clock.defer(guarded(call)),
      after: (ms, call) => ({ clear: after(ms, call) }),
    },
    client: { now: clock.now, random, after },
    get pending() {
      return clock.pending;
    },
    look() {
      looks += 1;
      if (looks > MAX_LOOKS)
        throw new Error(`more than ${MAX_LOOKS} looks in one turn: a loop without progress`);
    },
    advance: (ms) => clock.advance(ms),
  };
  return sim;
}

/** The client's clock in a browser tab. In a frozen tab a due timer waits, and can still be cancelled. */
export function clockOfTab(clock: SimClock, tab: BrowserTab): ClientClock {
  return {
    ...clock.client,
    after(ms, task) {
      let isSet = true;
      const cancel = clock.after(ms, () => tab.run(() => isSet && task()));
      return () => {
        isSet = false;
        cancel();
      };
    },
  };
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
  const next = seededRandom(seed);
  return Object.assign(next, {
    between: (low: number, high: number) => low + Math.floor(next() * (high - low + 1)),
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!,
    is: (probability: number) => next() < probability,
  });
}
