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

describe('verdict', () => {
  it('a target is reached if the median is within the limit or equal to it', () => {
    expect(verdict(target([1, 2, 9]))).toBe('reached');
    expect(verdict(target([9, 2, 1], { direction: 'at least' }))).toBe('reached');
  });

  it('a missed verdict has the distance in percent, and a note if a run reached the target', () => {
    expect(verdict(target([3, 3, 3]))).toBe('missed by 50 %');
    expect(verdict(target([1, 3, 3]))).toBe('missed by 50 %, within the spread');
    expect(verdict(target([1, 1, 1], { direction: 'at least' }))).toBe('missed by 50 %');
  });

  it('a missed verdict has a distance of at least 1 %', () => {
    expect(verdict(target([2.001]))).toBe('missed by 1 %');
  });

  it('only a missed verdict has the value of a bare server', () => {
    expect(verdict(target([3], { floor: [2.5] }))).toBe('missed by 50 %; a bare server: 2.50 ×');
    expect(verdict(target([1], { floor: [2.5] }))).toBe('reached');
  });

  it('a "within" target checks both sides of 1', () => {
    const within = (...runs: number[]): string => verdict(target(runs, { direction: 'within', limit: 0.1 }));
    expect(within(0.9)).toBe('reached');
    expect(within(1.1)).toBe('reached');
    expect(within(1.21)).toBe('missed by 10 %');
    expect(within(0.45)).toBe('missed by 50 %');
    expect(within(1, 1.2, 1.3)).toBe('missed by 9 %, within the spread');
  });

  it('the verdict without runs is "not measured"', () => {
    expect(verdict(target([]))).toBe('not measured');
    expect(describeMeasured(target([]))).toBe('');
  });
});

describe('describeWanted and describeMeasured', () => {
  it('a formatted target has its limit, and its spread with the digits of the median', () => {
    expect(describeWanted(target([]))).toBe('at most 2.00 ×');
    expect(describeWanted(target([], { limit: 0.1, direction: 'within' }))).toBe('0.90–1.10 ×');
    expect(describeMeasured(target([0.051, 0.049, 0.12]))).toBe('0.051 × (0.049–0.120)');
    expect(describeMeasured(target([99, 120, 1_800], { unit: 'ms' }))).toBe('120 ms (99–1,800)');
  });
});
