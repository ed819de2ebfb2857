/** Tests of the recorder's arithmetic: retention, breaks of a trace, ends of an axis. */
import { describe, expect, it } from 'vitest';
import { addReading, keptMs, niceCeiling, toFigures, toPieces, valueAt, type Reading } from './series.ts';

function reading(time: number, load = 0, run = 'a'): Reading {
  return {
    run,
    n: 1,
    at: time,
    time,
    load,
    cpuPercent: 0,
    cores: 2,
    memoryUsedBytes: 0,
    memoryTotalBytes: 1,
    loopDelayMs: 0,
    delayMs: 0,
    replayed: false,
    recovered: false,
  };
}

const load = (one: Reading) => one.load;

describe('series', () => {
  it('addReading drops readings older than the longest window', () => {
    const kept = addReading([reading(0), reading(1_000)], reading(keptMs + 500));
    expect(kept.map(({ time }) => time)).toEqual([1_000, keptMs + 500]);
  });

  it('toPieces splits a trace at a pause and at a new run', () => {
    const pieces = toPieces([reading(0), reading(1_000), reading(9_000), reading(10_000, 0, 'b')]);
    expect(pieces.map((piece) => piece.map(({ time }) => time))).toEqual([[0, 1_000], [9_000], [10_000]]);
  });

  it('valueAt interpolates between two readings and is undefined after the last one and inside a break', () => {
    const readings = [reading(0, 1), reading(1_000, 3), reading(9_000, 5)];
    expect(valueAt(readings, load, 250)).toBe(1.5);
    expect(valueAt(readings, load, 4_000)).toBeUndefined();
    expect(valueAt(readings, load, 9_500)).toBeUndefined();
  });

  it('niceCeiling rounds up to 1, 2 or 5 times a power of ten', () => {
    expect([0.3, 2, 2.1, 7, 51].map((value) => niceCeiling(value, 0.5))).toEqual([0.5, 2, 5, 10, 100]);
  });

  it('toFigures returns the newest, lowest and highest value', () => {
    expect(toFigures([3, 1, 2])).toEqual({ now: 2, min: 1, max: 3 });
    expect(toFigures([])).toBeUndefined();
  });
});
