import { describe, expect, it } from 'vitest';
import { formatNumber } from './numbers.ts';
import { median, summarize } from './stats.ts';

describe('median and summarize', () => {
  it('the median is the middle value, or the mean of the two middle values', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('percentiles count from the smallest value', () => {
    const values = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
    expect(summarize(values)).toEqual({ p50: 501, p99: 991, p999: 1_000 });
  });
});

describe('formatNumber', () => {
  it.each([
    [1_234.5, '1,235'],
    [12.34, '12.3'],
    [1.234, '1.23'],
    [0.0512, '0.051'],
    [0, '0.00'],
    [Number.NaN, '–'],
  ])('formatNumber(%d) is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});
