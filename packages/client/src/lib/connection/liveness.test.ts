import { describe, expect, it } from 'vitest';
import { checkTimeout, expectNextPing, restartTimeout, type Liveness } from './liveness.ts';

const TIMINGS = { pingMs: 15_000, timeoutMs: 35_000 };

/** Calls `checkTimeout` each time it is due, `lateMs` late, until death or `untilMs`. Returns the time of death. */
function deathOf(start: Liveness, untilMs: number, lateMs = 0): number | undefined {
  let liveness: Liveness | undefined = start;
  for (let nowMs = liveness.checkAt + lateMs; nowMs <= untilMs; nowMs = liveness.checkAt + lateMs) {
    liveness = checkTimeout(liveness, nowMs);
    if (liveness === undefined) return nowMs;
  }
  return undefined;
}

describe('liveness', () => {
  it('a silent connection is dead within the announced timeout', () => {
    expect(deathOf(restartTimeout(TIMINGS, 1_000), 100_000)).toBe(36_000);
  });

  it('a connection stays alive when data arrives in time', () => {
    const early = restartTimeout(TIMINGS, 0);
    const restarted = restartTimeout(early, 34_000);
    expect(checkTimeout(restarted, early.checkAt)).toEqual(restarted);
  });

  it('a connection gets one ping and two seconds after the clock jumps, by a sleep or by a clock change', () => {
    const woken = checkTimeout(restartTimeout(TIMINGS, 0), 3_600_000);
    expect(woken).toMatchObject({ isInGrace: true, checkAt: 3_617_000 });
    expect(checkTimeout(restartTimeout(woken!, 3_600_001), 3_617_000)).toMatchObject({ isInGrace: false });
    expect(expectNextPing(woken!, 3_600_002)).toEqual(woken);
    expect(checkTimeout(woken!, 3_617_000)).toBeUndefined();
  });

  it('the grace period is longer when the timer is later', () => {
    const liveness = restartTimeout(TIMINGS, 0);
    expect(checkTimeout(liveness, liveness.checkAt)!.checkAt - liveness.checkAt).toBe(50);
    expect(checkTimeout(liveness, liveness.checkAt + 700)!.checkAt - liveness.checkAt).toBe(1_400);
    expect(checkTimeout(liveness, liveness.checkAt + 2_000)!.checkAt - liveness.checkAt).toBe(4_000);
  });

  it('a probe makes the next ping due in time, and never later than before', () => {
    const liveness = restartTimeout(TIMINGS, 0);
    expect(deathOf(expectNextPing(liveness, 5_000), 100_000)).toBe(20_050);
    expect(deathOf(expectNextPing(liveness, 20_000), 100_000)).toBe(25_050);
    expect(expectNextPing(liveness, 34_900).checkAt).toBe(liveness.checkAt);
  });

  it('a wall clock that is set back does not postpone the liveness check', () => {
    const liveness = restartTimeout(TIMINGS, 1_000_000);
    expect(checkTimeout(liveness, 500_000)!.checkAt).toBe(535_000);
  });
});
