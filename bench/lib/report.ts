/** Writes RESULTS.md and its plots from the results. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS, type Case, type CaseResult, type Measurement, type Target } from './case.ts';
import { titleOf } from './contenders.ts';
import type { Machine } from './machine.ts';
import { drawBars, formatNumber } from './plot.ts';
import { median } from './stats.ts';

/** How a case was run. */
interface CaseRun {
  readonly date: string;
  readonly rounds: number;
  /** Short runs, and fewer: rough figures. */
  readonly quick: boolean;
}

export interface Results {
  readonly machine: Machine;
  readonly cases: Readonly<Record<string, CaseResult & CaseRun>>;
}

const FOLDER = join(import.meta.dirname, '..');

export function writeReport(results: Results, cases: readonly Case[]): void {
  mkdirSync(join(FOLDER, 'results'), { recursive: true });
  const { machine } = results;
  const measured = cases.filter(({ name }) => results.cases[name] !== undefined);
  const dates = measured.map(({ name }) => results.cases[name]!.date).toSorted();
  const isQuick = measured.some(({ name }) => results.cases[name]!.quick);
  const lines = [
    '# Results',
    '',
    '<!-- Written by `npx pnpm@12 bench`; do not edit. -->',
    '',
    `Measured ${dates[0] === dates.at(-1) ? `on ${dates[0]}` : `from ${dates[0]} to ${dates.at(-1)}`}: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${machine.node.slice(1)}. Server and load are two processes on one machine, over loopback.`,
    `Versions: ${Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    ...(isQuick ? ['Some cases were measured by `--quick`, as their sections say: rough figures.', ''] : []),
    'Every value is the median of all runs, with the lowest and the highest behind it; contenders are run in turns. Ratios are of values of the same turn. How it is done, how to repeat it, and what is not measured: [README.md](README.md).',
    '',
    '## What was to be reached',
    '',
    ...targetTable(measured.map((one) => [one, results.cases[one.name]!])),
  ];
  for (const [index, one] of measured.entries()) {
    const result = results.cases[one.name]!;
    lines.push(
      '',
      `## ${index + 1}. ${one.title}`,
      '',
      one.columns.includes('instantiations') || one.columns.includes('gzip')
        ? one.about
        : `${one.about} ${result.rounds} runs${result.quick ? ', quick ones: rough figures' : ''}.`,
      '',
    );
    if (one.plot !== undefined && draw(one, result))
      lines.push(`![${one.title}](results/${one.name}.svg)`, '');
    for (const variant of new Set(result.measurements.map((measurement) => measurement.variant))) {
      lines.push(...measurementTable(one, result.measurements, variant), '');
    }
    for (const [name, why] of Object.entries(result.missing ?? {})) {
      lines.push(`Not measured: ${titleOf(name)} (${why}).`, '');
    }
    lines.pop();
  }
  writeFileSync(join(FOLDER, 'RESULTS.md'), `${lines.join('\n')}\n`);
  writeReadme(measured.map(({ name }) => results.cases[name]!));
}

/** The ratios that the project's README names, between two comments there. */
function writeReadme(cases: readonly CaseResult[]): void {
  const path = join(FOLDER, '../README.md');
  const rows = cases
    .flatMap(({ targets }) => targets)
    .filter(({ headline, runs }) => headline !== undefined && runs.length > 0)
    .map((target) => `| ${target.headline} | ${describe(median(target.runs), target)} |`);
  const table = ['| what | ratio |', '| --- | --: |', ...rows].join('\n');
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(
      /(<!-- costs: .+? -->\n)[^]*?(\n<!-- \/costs -->)/,
      (_, begin: string, end: string) => `${begin}\n${table}\n${end}`,
    ),
  );
}

function targetTable(cases: ReadonlyArray<readonly [Case, CaseResult]>): string[] {
  const rows = cases.flatMap(([one, { targets }]) =>
    targets
      .filter(({ runs }) => runs.length > 0)
      .map((target) => {
        const value = median(target.runs);
        return `| ${one.name} | ${target.text} | ${target.direction} ${describe(target.limit, target)} | ${spread(target.runs, (run) => describe(run, target))} | ${verdict(target, value)} |`;
      }),
  );
  return ['| case | what | wanted | measured | |', '| --- | --- | --- | --- | --- |', ...rows];
}

function describe(value: number, { unit = '×' }: Target): string {
  return unit === '×' && value < 0.095 ? `${value.toFixed(3)} ×` : `${formatNumber(value)} ${unit}`;
}

/** How a target stands; a miss that some run did not show is named as such. */
export function verdict(target: Target, value: number = median(target.runs)): string {
  const { runs, limit, direction, floor = [] } = target;
  const isMet = (one: number): boolean => (direction === 'at most' ? one <= limit : one >= limit);
  if (isMet(value)) return 'reached';
  const off = Math.abs(value / limit - 1);
  const least = floor.length === 0 ? '' : `; the bare loop itself: ${describe(median(floor), target)}`;
  return `missed by ${(off * 100).toFixed(0)} %${runs.some(isMet) ? ', within the spread' : ''}${least}`;
}

function measurementTable(one: Case, all: readonly Measurement[], variant: string): string[] {
  const rows = all
    .filter((measurement) => measurement.variant === variant)
    .toSorted((a, b) => Number(isOwn(b.contender)) - Number(isOwn(a.contender)));
  const columns = one.columns.filter((column) => rows.some(({ metrics }) => metrics[column] !== undefined));
  const heads = columns.map((column) => {
    const { title, unit } = METRICS[column]!;
    return unit === '' ? title : `${title}, ${unit}`;
  });
  return [
    `| ${variant} | ${heads.join(' | ')} |`,
    `| --- | ${columns.map(() => '--:').join(' | ')} |`,
    ...rows.map(({ contender, metrics }) => {
      const cells = columns.map((column) => (metrics[column] === undefined ? '' : spread(metrics[column])));
      return `| ${titleOf(contender)} | ${cells.join(' | ')} |`;
    }),
  ];
}

function spread(runs: readonly number[], format: (value: number) => string = formatNumber): string {
  if (runs.length === 1) return format(runs[0]!);
  return `${format(median(runs))} (${formatNumber(Math.min(...runs))}–${formatNumber(Math.max(...runs))})`;
}

function isOwn(contender: string): boolean {
  return titleOf(contender).includes('Linefeed');
}

function draw(one: Case, { measurements }: CaseResult): boolean {
  const metric = one.plot!;
  const variants = [...new Set(measurements.map(({ variant }) => variant))];
  const groups = variants
    .map((title) => ({
      title,
      bars: measurements
        .filter(({ variant, metrics }) => variant === title && metrics[metric] !== undefined)
        .map(({ contender, metrics }) => ({
          label: titleOf(contender),
          value: median(metrics[metric]!),
          low: Math.min(...metrics[metric]!),
          high: Math.max(...metrics[metric]!),
          own: isOwn(contender),
        })),
    }))
    .filter(({ bars }) => bars.length > 0);
  if (groups.length === 0) return false;
  const { title, unit } = METRICS[metric]!;
  writeFileSync(join(FOLDER, 'results', `${one.name}.svg`), drawBars(`${one.title}: ${title}`, unit, groups));
  return true;
}
