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

describe('costTable', () => {
  it('the cost table marks missed targets, unmeasured targets and quick runs', () => {
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

  it('the cost table shows the first target of a case without a headline', () => {
    expect(costTable([[{ name: 'a' }, run([target, target])]]).slice(2)).toEqual([
      '| cost | 4.00 × | at most 2.00 × | missed by 100 % |',
    ]);
  });
});

describe('describeMissing', () => {
  it('a missing contender is listed with its variants if it was measured in others', () => {
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
