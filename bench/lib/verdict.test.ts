import { describe, expect, it } from 'vitest';
import type { Target } from './case.ts';
import { describeMeasured, describeWanted, verdict } from './verdict.ts';

const target = (runs: readonly number[], rest: Partial<Target> = {}): Target => ({
  text: 'cost',
  runs,
  limit: 2,
  direction: 'at most',
  ...rest,
});

describe('the verdict on a target', () => {
  it('is of the median, at the limit too', () => {
    expect(verdict(target([1, 2, 9]))).toBe('reached');
    expect(verdict(target([9, 2, 1], { direction: 'at least' }))).toBe('reached');
  });

  it('names how far a target is missed, and that some run did not miss it', () => {
    expect(verdict(target([3, 3, 3]))).toBe('missed by 50 %');
    expect(verdict(target([1, 3, 3]))).toBe('missed by 50 %, within the spread');
    expect(verdict(target([1, 1, 1], { direction: 'at least' }))).toBe('missed by 50 %');
  });

  it('never calls a miss one of 0 %', () => {
    expect(verdict(target([2.001]))).toBe('missed by 1 %');
  });

  it('names what a bare server reaches, where the target is missed', () => {
    expect(verdict(target([3], { floor: [2.5] }))).toBe('missed by 50 %; a bare server: 2.50 ×');
    expect(verdict(target([1], { floor: [2.5] }))).toBe('reached');
  });

  it('looks to both sides of 1 where a ratio is to stay', () => {
    const within = (...runs: number[]): string => verdict(target(runs, { direction: 'within', limit: 0.1 }));
    expect(within(0.9)).toBe('reached');
    expect(within(1.1)).toBe('reached');
    expect(within(1.21)).toBe('missed by 10 %');
    expect(within(0.45)).toBe('missed by 50 %');
    expect(within(1, 1.2, 1.3)).toBe('missed by 9 %, within the spread');
  });

  it('is none where nothing was measured', () => {
    expect(verdict(target([]))).toBe('not measured');
    expect(describeMeasured(target([]))).toBe('');
  });
});

describe('a target in words', () => {
  it('has its limit, and the spread with the digits of the median', () => {
    expect(describeWanted(target([]))).toBe('at most 2.00 ×');
    expect(describeWanted(target([], { limit: 0.1, direction: 'within' }))).toBe('0.90–1.10 ×');
    expect(describeMeasured(target([0.051, 0.049, 0.12]))).toBe('0.051 × (0.049–0.120)');
    expect(describeMeasured(target([99, 120, 1_800], { unit: 'ms' }))).toBe('120 ms (99–1,800)');
  });
});
