import { describe, expect, it } from 'vitest';
import type { Target } from './case.ts';
import { costTable, describeMissing } from './report.ts';
import type { CaseRun } from './results.ts';

const run = (targets: readonly Target[], quick = false): CaseRun => ({
  date: '2026-01-01',
  machine: { cpu: '', cores: 2, memoryGb: 1, kernel: '', node: '', linefeed: '', versions: {} },
  quick,
  seconds: 1,
  measurements: [],
  targets,
});
const target: Target = { text: 'cost', runs: [3, 4, 5], limit: 2, direction: 'at most' };

describe('the table of costs', () => {
  it('has misses, what was not measured, and short runs named as such', () => {
    const headline = 'CPU';
    expect(
      costTable([
        [{ name: 'a' }, run([{ ...target, headline, floor: [3] }, target])],
        [{ name: 'b' }, run([{ ...target, headline, runs: [] }], true)],
      ]),
    ).toEqual([
      '| what | measured | wanted | |',
      '| --- | --: | --- | --- |',
      '| CPU | 4.00 × | at most 2.00 × | missed by 100 % |',
      '| CPU (quick) |  | at most 2.00 × | not measured |',
    ]);
  });

  it('has a row of every case with a target', () => {
    expect(costTable([[{ name: 'a' }, run([target, target])]]).slice(2)).toEqual([
      '| cost | 4.00 × | at most 2.00 × | missed by 100 % |',
    ]);
  });
});

describe('what was not measured', () => {
  it('names the variants where the contender was measured in others', () => {
    const missing = [
      { variant: 'small', contender: 'nosuch', why: 'not installed' },
      { variant: 'large', contender: 'nosuch', why: 'not installed' },
      { variant: 'large', contender: 'other', why: 'broke' },
    ];
    expect(describeMissing(missing, ['small', 'large'])).toEqual([
      'Not measured: nosuch (not installed).',
      'Not measured: other (broke); large.',
    ]);
  });
});
