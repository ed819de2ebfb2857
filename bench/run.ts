/** The bench: measures Linefeed beside bare servers and other libraries, and writes the results down. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from '../scripts/lib/command.ts';
import { CASES } from './cases/index.ts';
import type { Settings } from './lib/case.ts';
import { CONTENDERS } from './lib/contenders.ts';
import { describeMachine } from './lib/machine.ts';
import { verdict, writeReport, type Results } from './lib/report.ts';

const HELP = `npx pnpm@12 bench [case …] [options]

Cases:
${CASES.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

Options:
  --quick            3 short runs instead of 5: rough figures in a few minutes
  --rounds N         runs of each contender, interleaved (default 5)
  --connections N    instead of the sizes of the case
  --bytes N          instead of the payloads of the case
  --only A,B         these contenders alone: ${CONTENDERS.map(({ name }) => name).join(', ')}
  --dry              keep the results that are stored: print only
  --report           write RESULTS.md anew from the stored results, measure nothing
  --help

The libraries compared are installed into bench/node_modules on first use. Results: bench/results/latest.json and
bench/RESULTS.md, from which a case that is run anew replaces its own part.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    connections: { type: 'string' },
    bytes: { type: 'string' },
    only: { type: 'string' },
    dry: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const RESULTS_FILE = join(import.meta.dirname, 'results/latest.json');
const stored: Results | undefined = existsSync(RESULTS_FILE)
  ? (JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as Results)
  : undefined;

if (values.help) {
  console.log(HELP);
} else if (values.report) {
  writeReport(stored!, CASES);
  await format();
} else {
  await measure();
}

async function measure(): Promise<void> {
  const unknown = positionals.find((name) => !CASES.some((one) => one.name === name));
  if (unknown !== undefined) {
    console.error(`There is no case "${unknown}".\n\n${HELP}`);
    process.exitCode = 1;
    return;
  }
  const chosen = positionals.length === 0 ? CASES : CASES.filter(({ name }) => positionals.includes(name));
  if (chosen.some(({ usesPeers }) => usesPeers)) install();
  const settings: Settings = {
    rounds: toCount(values.rounds) ?? (values.quick ? 3 : 5),
    runMs: values.quick ? 250 : 700,
    quick: values.quick,
    connections: toCount(values.connections),
    bytes: toCount(values.bytes),
    only: values.only?.split(','),
    say: (line) => console.log(line),
  };
  const cases: Record<string, Results['cases'][string]> = { ...stored?.cases };
  const start = performance.now();
  for (const [index, one] of chosen.entries()) {
    console.log(`${index + 1} of ${chosen.length}: ${one.title}`);
    const began = performance.now();
    const result = await one.run(settings);
    const seconds = Math.round((performance.now() - began) / 1_000);
    for (const target of result.targets) {
      if (target.runs.length > 0) console.log(`  ${target.text}: ${verdict(target)}`);
    }
    console.log(`  ${seconds} s`);
    const date = new Date().toISOString().slice(0, 10);
    cases[one.name] = { date, rounds: settings.rounds, quick: settings.quick, seconds, ...result };
    if (values.dry) continue;
    const results: Results = { machine: describeMachine(), cases };
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(RESULTS_FILE, `${JSON.stringify(results, roundOff, 1)}\n`);
    writeReport(results, CASES);
  }
  if (!values.dry) await format();
  console.log(
    `${Math.round((performance.now() - start) / 1_000)} s in all. bench/RESULTS.md has the tables.`,
  );
}

/** As the format step of the test run wants it. */
async function format(): Promise<void> {
  await runCommand('oxfmt', ['README.md', 'bench/RESULTS.md', 'bench/results'], { timeoutMs: 60_000 });
}

/** Five digits tell all that a measurement knows. */
function roundOff(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}

function toCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`${text} is not a count; --help tells what there is.`);
}

/** The libraries compared; never part of the project's own installation. */
function install(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules/.modules.yaml'))) return;
  console.log('Installing the libraries to compare with into bench/node_modules …');
  const { status } = spawnSync('npx', ['-y', 'pnpm@12', 'install', '--frozen-lockfile'], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
  });
  if (status !== 0) console.log('They could not be installed; what is here is measured without them.');
}
