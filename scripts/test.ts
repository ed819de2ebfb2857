/** Runs every check of the repository and ends with one line: `N passed, N failed`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { stopAll } from './lib/command.ts';
import { createOrderedOutput, runSideBySide } from './lib/schedule.ts';
import type { Step } from './lib/step.ts';
import { STEPS } from './lib/steps.ts';

const HELP = `Usage: npx pnpm@12 test [--only a,b] [--verbose] [--update] [--long]

Runs these steps, as many side by side as the machine has cores for:
${STEPS.map(({ name, about }) => `  ${name.padEnd(9)}${about}`).join('\n')}

  --only a,b   these steps alone
  --verbose    show the output of steps that pass, too
  --update     keep the exported names as they are now
  --long       the package step compiles with every compiler in every mode
  --help       this text

Environment:
  LINEFEED_CHROMIUM=path    the browser to test with
  LINEFEED_NGINX=path       the nginx for the tests; also LINEFEED_FIREFOX, _WEBKIT, _XVFB, _BUN,
                            _REDIS, _NATS, _POSTGRES, _PGBOUNCER
  LINEFEED_NO_INSTALL=1     install nothing; say what is missing

Where a program other than Chromium cannot be had, a line NOT TESTED names it, and the rest runs.
`;

interface Tally {
  passed: number;
  failed: number;
}

type Flags = Readonly<Record<'verbose' | 'update' | 'long', boolean>>;

function readArguments(): Flags & { readonly steps: readonly Step[] } {
  const { values } = parseArgs({
    // `pnpm test -- --only x` passes the two dashes as well.
    args: process.argv.slice(2).filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string', multiple: true },
      verbose: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const names = values.only?.flatMap((list) => list.split(',')).filter((name) => name !== '');
  const unknown = names?.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `There is no step "${unknown}"; the steps are ${STEPS.map(({ name }) => name).join(', ')}.`,
    );
  }
  const steps = names === undefined ? STEPS : STEPS.filter(({ name }) => names.includes(name));
  return { steps, verbose: values.verbose, update: values.update, long: values.long };
}

/** Runs a step; `print` gets its result and its output in one piece. */
async function runStep(
  step: Step,
  { verbose, update, long }: Flags,
  print: (text: string) => void,
): Promise<Tally> {
  const tally: Tally = { passed: 0, failed: 0 };
  const failures: string[] = [];
  let output = '';
  const start = performance.now();
  try {
    await step.run({
      update,
      long,
      log(text) {
        output += text;
      },
      say: (line) => console.log(`${step.name.padEnd(9)}${line}`),
      check(name, ok) {
        tally[ok ? 'passed' : 'failed'] += 1;
        if (!ok) failures.push(name);
      },
      count({ passed, failed }) {
        tally.passed += passed;
        tally.failed += failed;
      },
    });
  } catch (error) {
    tally.failed += 1;
    output += `${error instanceof Error ? error.message : String(error)}\n`;
  }
  const isGood = tally.failed === 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const counts = isGood ? `${tally.passed} passed` : `${tally.passed} passed, ${tally.failed} FAILED`;
  const names = failures.length > 0 ? `: ${failures.join(', ')}` : '';
  const result = `${step.name.padEnd(9)}${seconds.padStart(5)} s  ${counts}${names}`;
  const isShown = (verbose || !isGood) && output.trim() !== '';
  print(isShown ? `${result}\n${output.trimEnd().replaceAll(/^/gm, '    ')}` : result);
  return tally;
}

async function main(): Promise<boolean> {
  const options = readArguments();
  const total: Tally = { passed: 0, failed: 0 };
  const { steps } = options;
  const print = createOrderedOutput(steps.length, (text) => console.log(text));
  await runSideBySide(steps, availableParallelism(), async (step) => {
    const { passed, failed } = await runStep(step, options, (text) => print(steps.indexOf(step), text));
    total.passed += passed;
    total.failed += failed;
  });
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    stopAll();
    process.kill(process.pid, signal);
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
