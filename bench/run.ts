/** The bench: measures Linefeed beside bare servers and other libraries, and writes the results down. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../scripts/lib/command.ts';
import { CASES } from './cases/index.ts';
import { readArguments, type Arguments } from './lib/arguments.ts';
import { CONTENDERS } from './lib/contenders.ts';
import { exitOnSignals } from './lib/folder.ts';
import { describeMachine } from './lib/machine.ts';
import { writeReport } from './lib/report.ts';
import { readResults, roundOff, storeResults, type CaseRun, type Results } from './lib/results.ts';
import { describeMeasured, describeWanted, verdict } from './lib/verdict.ts';

const CONTENDER_NAMES = CONTENDERS.map(({ name }) => name);

const HELP = `npx pnpm@12 bench [case …] [options]

Cases:
${CASES.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`).join('\n')}

Options:
  --quick            3 short runs instead of 5: rough figures in a few minutes
  --rounds N         runs of each contender, interleaved (default 5)
  --connections N    instead of the sizes of the case *
  --bytes N          instead of the payloads of the case *
  --only A,B         these contenders alone *: ${CONTENDER_NAMES.join(', ')}
  --dry              keep the results that are stored: print only
  --report           write RESULTS.md anew from the stored results, measure nothing
  --help
  * is a part of a case: what is stored stays

The libraries compared are installed into bench/node_modules on first use. Results: bench/results/latest.json and
bench/RESULTS.md, from which a case that is run anew replaces its own part.`;

exitOnSignals();
try {
  const asked = readArguments(process.argv.slice(2), {
    cases: CASES.map(({ name }) => name),
    contenders: CONTENDER_NAMES,
  });
  if (asked.help) console.log(HELP);
  else if (asked.report) await report();
  else await measure(asked);
} catch (error) {
  console.error(`${(error as Error).message}\n\nnpx pnpm@12 bench --help tells what there is.`);
  process.exitCode = 1;
}

async function report(): Promise<void> {
  const stored = readResults();
  if (stored === undefined) throw new Error('No results are stored yet: npx pnpm@12 bench measures them.');
  writeReport(stored, CASES);
  await format();
}

async function measure({ cases, settings, dry, narrowedBy }: Arguments): Promise<void> {
  const chosen = cases.length === 0 ? CASES : CASES.filter(({ name }) => cases.includes(name));
  if (chosen.some(({ usesPeers }) => usesPeers)) install();
  const stores = !dry && narrowedBy.length === 0;
  if (!dry && !stores) console.log(`${narrowedBy.join(', ')}: a part of a case, so nothing is stored.`);
  const machine = describeMachine();
  let results: Results = readResults() ?? {};
  const failed: string[] = [];
  const start = performance.now();
  for (const [index, one] of chosen.entries()) {
    console.log(`${index + 1} of ${chosen.length}: ${one.title}`);
    const began = performance.now();
    try {
      const result = await one.run({ ...settings, say: (line) => console.log(line) });
      const seconds = secondsSince(began);
      const date = new Date().toISOString().slice(0, 10);
      const run: CaseRun = roundOff({ date, machine, quick: settings.quick, seconds, ...result });
      print(run);
      results = { ...results, [one.name]: run };
    } catch (error) {
      failed.push(one.name);
      console.error(`  FAILED: ${one.name}: ${(error as Error).message}`);
      continue;
    }
    if (!stores) continue;
    storeResults(results);
    writeReport(results, CASES);
  }
  if (stores) await format();
  console.log(`${secondsSince(start)} s in all.${stores ? ' bench/RESULTS.md has the tables.' : ''}`);
  if (failed.length === 0) return;
  console.error(
    `Not measured: ${failed.join(', ')}${stores ? '; their stored results are the old ones' : ''}.`,
  );
  process.exitCode = 1;
}

function print({ targets, seconds }: CaseRun): void {
  for (const target of targets) {
    console.log(
      `  ${target.text}: ${describeMeasured(target)}, wanted ${describeWanted(target)}: ${verdict(target)}`,
    );
  }
  console.log(`  ${seconds} s`);
}

function secondsSince(began: number): number {
  return Math.round((performance.now() - began) / 1_000);
}

/** In the format that the format step of the test run requires. */
async function format(): Promise<void> {
  await runCommand('oxfmt', ['README.md', 'bench/RESULTS.md', 'bench/results'], { timeoutMs: 60_000 });
}

/** The compared libraries; never part of the project's own installation. */
function install(): void {
  if (existsSync(join(import.meta.dirname, 'node_modules/.modules.yaml'))) return;
  console.log('Installing the libraries to compare with into bench/node_modules …');
  const { status } = spawnSync('npx', ['-y', 'pnpm@12', 'install', '--frozen-lockfile'], {
    cwd: import.meta.dirname,
    stdio: 'inherit',
  });
  if (status !== 0) console.log('They could not be installed; what is here is measured without them.');
}
