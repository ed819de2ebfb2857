import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { median } from '../../../bench/lib/stats.ts';
import { ROOT } from '../command.ts';
import { ASSUMED, LOGS, MEASURED, type Assumed, type Measured, type Source } from './constants.ts';

interface StoredCase {
  readonly measurements: ReadonlyArray<{
    readonly variant: string;
    readonly contender: string;
    readonly metrics: Readonly<Record<string, readonly number[] | undefined>>;
  }>;
}

const stored = JSON.parse(readFileSync(join(ROOT, 'bench/results/latest.json'), 'utf8')) as Readonly<
  Record<string, StoredCase | undefined>
>;

const constants: ReadonlyArray<readonly [string, Measured | Assumed]> = [
  ...Object.entries(MEASURED),
  ...Object.entries(LOGS).flatMap(([log, costs]) =>
    Object.entries(costs)
      .filter((entry): entry is [string, Measured | Assumed] => typeof entry[1] === 'object')
      .map(([name, constant]) => [`${log} ${name}`, constant] as const),
  ),
];

const measured = constants.filter((entry): entry is [string, Measured] => 'source' in entry[1]);

function readRuns({ case: name, variant, contender, metric }: Source): readonly number[] {
  const found = stored[name]?.measurements.find(
    (one) => one.variant === variant && one.contender === contender,
  );
  return found?.metrics[metric] ?? [];
}

function runsOf({ source }: Measured): number[] {
  const { convert = (value: number) => value, relativeTo } = source;
  const runs = readRuns(source).map((value) => convert(value));
  if (relativeTo === undefined) return runs;
  const unit = median(readRuns(relativeTo));
  return runs.map((value) => (value / unit) * LOGS.memory.publishUs.value);
}

describe('constants of the capacity model', () => {
  it.each(measured)('the constant %s is within the stored runs of the bench', (name, constant) => {
    const runs = runsOf(constant);
    expect(runs, `bench/results/latest.json has no runs for ${name}`).not.toEqual([]);
    const message = `${name} is ${constant.value}, stored runs: ${runs.join(', ')}; use their median`;
    // Rounded to three digits.
    expect(constant.value, message).toBeGreaterThanOrEqual(Math.min(...runs) * 0.995);
    expect(constant.value, message).toBeLessThanOrEqual(Math.max(...runs) * 1.005);
  });

  it('each assumption gives its reason', () => {
    const assumed = [...Object.values(ASSUMED), ...constants.map(([, constant]) => constant)].filter(
      (constant): constant is Assumed => 'reason' in constant,
    );
    for (const { reason } of assumed) expect(reason).toMatch(/\w+ \w+ \w+/);
  });

  it('a log has a cost at the broker exactly if the machines of a cluster share it', () => {
    for (const { shared, brokerAppendUs, brokerTailUs } of Object.values(LOGS)) {
      expect(brokerAppendUs !== undefined).toBe(shared === 'cluster');
      expect(brokerTailUs !== undefined).toBe(shared === 'cluster');
    }
  });
});
