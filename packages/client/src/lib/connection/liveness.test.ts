import { describe, expect, it } from 'vitest';
import { hear, judge, probe, type Pulse } from './liveness.ts';

const TIMINGS = { pingMs: 15_000, timeoutMs: 35_000 };

/** Calls `judge` each time it is due, `lateMs` late, until death or `untilMs`. Returns the time of death. */
function deathOf(start: Pulse, untilMs: number, lateMs = 0): number | undefined {
  let pulse: Pulse | undefined = start;
  for (let nowMs = pulse.dueAt + lateMs; nowMs <= untilMs; nowMs = pulse.dueAt + lateMs) {
    pulse = judge(pulse, nowMs);
    if (pulse === undefined) return nowMs;
  }
  return undefined;
}

describe('liveness', () => {
  it('a silent connection is dead within the announced timeout', () => {
    expect(deathOf(hear(TIMINGS, 1_000), 100_000)).toBe(36_000);
  });

  it('a connection stays alive when data arrives in time', () => {
    const early = hear(TIMINGS, 0);
    const heard = hear(early, 34_000);
    expect(judge(heard, early.dueAt)).toEqual(heard);
  });

  it('a connection gets one ping and two seconds after the clock jumps, by a sleep or by a clock change', () => {
    const woken = judge(hear(TIMINGS, 0), 3_600_000);
    expect(woken).toMatchObject({ suspect: true, dueAt: 3_617_000 });
    expect(judge(hear(woken!, 3_600_001), 3_617_000)).toMatchObject({ suspect: false });
    expect(probe(woken!, 3_600_002)).toEqual(woken);
    expect(judge(woken!, 3_617_000)).toBeUndefined();
  });

  it('the grace period is longer when the timer is later', () => {
    const pulse = hear(TIMINGS, 0);
    expect(judge(pulse, pulse.dueAt)!.dueAt - pulse.dueAt).toBe(50);
    expect(judge(pulse, pulse.dueAt + 700)!.dueAt - pulse.dueAt).toBe(1_400);
    expect(judge(pulse, pulse.dueAt + 2_000)!.dueAt - pulse.dueAt).toBe(4_000);
  });

  it('a probe makes the next ping due in time, and never later than before', () => {
    const pulse = hear(TIMINGS, 0);
    expect(deathOf(probe(pulse, 5_000), 100_000)).toBe(20_050);
    expect(deathOf(probe(pulse, 20_000), 100_000)).toBe(25_050);
    expect(probe(pulse, 34_900).dueAt).toBe(pulse.dueAt);
  });

  it('a wall clock that is set back does not postpone the liveness check', () => {
    const pulse = hear(TIMINGS, 1_000_000);
    expect(judge(pulse, 500_000)!.dueAt).toBe(535_000);
  });
});
