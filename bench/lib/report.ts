/** Writes RESULTS.md, its plots and the table in the project's README from the results. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS, type Case, type Measurement, type Missing } from './case.ts';
import { titleOf } from './contenders.ts';
import type { Machine } from './machine.ts';
import { formatSpread } from './numbers.ts';
import { drawBars } from './plot.ts';
import { RESULTS_FOLDER, type CaseRun, type Results } from './results.ts';
import { median } from './stats.ts';
import { describeMeasured, describeWanted, verdict } from './verdict.ts';

const FOLDER = join(import.meta.dirname, '..');

type Measured = readonly [Case, CaseRun];

export function writeReport(results: Results, cases: readonly Case[]): void {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const measured = cases.flatMap((one): Measured[] => {
    const result = results[one.name];
    return result === undefined ? [] : [[one, result]];
  });
  const newest = measured.map(([, result]) => result).toSorted((a, b) => (a.date < b.date ? 1 : -1))[0]!;
  const lines = [
    '# Results',
    '',
    '<!-- Written by `npx pnpm@12 bench`; do not edit. -->',
    '',
    `${describeRun(newest)} ${describeVersions(newest.machine)} Server and load are two processes on one machine, over loopback.`,
    '',
    ...(measured.some(([, { quick }]) => quick)
      ? ['Cases with “(quick)” after their name were measured by short runs: rough figures.', '']
      : []),
    'Every value is the median of all runs, followed by the lowest and the highest; contenders are run in turns. **A ratio is made of two values of the same turn, and the median of these ratios is given**: it need not be the quotient of two medians in the tables, as the machine is not equally fast in all turns. How it is done, how to repeat it, and what is not measured: [README.md](README.md).',
    '',
    '## What was to be reached',
    '',
    ...targetTable(measured),
  ];
  for (const [index, [one, result]] of measured.entries()) {
    const title = result.title ?? one.title;
    lines.push(
      '',
      `## ${index + 1}. ${title}${mark(result)}`,
      '',
      `${one.about} ${describeCount(one, result)}`,
      '',
    );
    for (const line of [describeRun(result), describeVersions(result.machine)]) {
      if (line !== describeRun(newest) && line !== describeVersions(newest.machine)) lines.push(line, '');
    }
    if (one.plot !== undefined && draw(one, title, result))
      lines.push(`![${title}](results/${one.name}.svg)`, '');
    const variants = [...new Set(result.measurements.map(({ variant }) => variant))];
    for (const variant of variants) lines.push(...measurementTable(one, result.measurements, variant), '');
    lines.push(...describeMissing(result.missing ?? [], variants).flatMap((line) => [line, '']));
    lines.pop();
  }
  writeFileSync(join(FOLDER, 'RESULTS.md'), `${lines.join('\n')}\n`);
  writeReadme(measured);
}

function describeRun({ date, machine }: CaseRun): string {
  const { cores, cpu, memoryGb, kernel, node, linefeed } = machine;
  return `Measured on ${date}, Linefeed at ${linefeed}: ${cores} cores of ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node ${node}.`;
}

function describeVersions({ versions }: Machine): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `Versions: ${list.join(', ')}.`;
}

function mark({ quick }: CaseRun): string {
  return quick ? ' (quick)' : '';
}

/** The actual number of runs, not the requested one. */
function describeCount({ columns }: Case, { measurements, quick }: CaseRun): string {
  const counts = measurements.flatMap(({ metrics }) => Object.values(metrics).map(({ length }) => length));
  const isCounted = counts.length > 0 && !columns.includes('instantiations') && !columns.includes('gzip');
  if (!isCounted) return '';
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `${least === most ? '' : `${least} to `}${most} runs${quick ? ', short ones' : ''}.`;
}

function targetTable(measured: readonly Measured[]): string[] {
  const rows = measured.flatMap(([{ name }, result]) =>
    result.targets.map(
      (target) =>
        `| ${name}${mark(result)} | ${target.text} | ${describeWanted(target)} | ${describeMeasured(target)} | ${verdict(target)} |`,
    ),
  );
  return ['| case | what | wanted | measured | |', '| --- | --- | --- | --- | --- |', ...rows];
}

/** One line for each, with the variants if the contender was measured in others. */
export function describeMissing(missing: readonly Missing[], measured: readonly string[]): string[] {
  const all = new Set([...measured, ...missing.map(({ variant }) => variant)]);
  const groups = Map.groupBy(missing, ({ contender, why }) => `${titleOf(contender)} (${why})`);
  return [...groups].map(([what, places]) => {
    const variants = new Set(places.map(({ variant }) => variant));
    return `Not measured: ${what}${variants.size === all.size ? '' : `; ${[...variants].join('; ')}`}.`;
  });
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
      const cells = columns.map((column) =>
        metrics[column] === undefined ? '' : formatSpread(metrics[column]),
      );
      return `| ${titleOf(contender)} | ${cells.join(' | ')} |`;
    }),
  ];
}

function isOwn(contender: string): boolean {
  return titleOf(contender).includes('Linefeed');
}

function draw(one: Case, heading: string, { measurements }: CaseRun): boolean {
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
        }))
        .toSorted((a, b) => Number(b.own) - Number(a.own)),
    }))
    .filter(({ bars }) => bars.length > 0);
  if (groups.length === 0) return false;
  const { title, unit } = METRICS[metric]!;
  writeFileSync(join(RESULTS_FOLDER, `${one.name}.svg`), drawBars(`${heading}: ${title}`, unit, groups));
  return true;
}

/** Writes the costs in the project's README, between two comments there: missed targets too. */
function writeReadme(measured: readonly Measured[]): void {
  const path = join(FOLDER, '../README.md');
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(
      /(<!-- costs: .+? -->\n)[^]*?(\n<!-- \/costs -->)/,
      (_, begin: string, end: string) => `${begin}\n${costTable(measured).join('\n')}\n${end}`,
    ),
  );
}

export function costTable(measured: ReadonlyArray<readonly [Pick<Case, 'name'>, CaseRun]>): string[] {
  const rows = measured.flatMap(([, result]) => {
    const named = result.targets.filter(({ headline }) => headline !== undefined);
    // Every case with a target is listed, so that no bad result is left out.
    return (named.length > 0 ? named : result.targets.slice(0, 1)).map((target) => {
      const value =
        target.runs.length === 0 ? '' : describeMeasured({ ...target, runs: [median(target.runs)] });
      // The value of a bare server is in RESULTS.md.
      const [stands] = verdict(target).split(';');
      return `| ${target.headline ?? target.text}${mark(result)} | ${value} | ${describeWanted(target)} | ${stands} |`;
    });
  });
  return ['| what | measured | wanted | |', '| --- | --: | --- | --- |', ...rows];
}
