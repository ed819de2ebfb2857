/** The steps of the test run, in their order. */
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, runCommand, type CommandResult } from './command.ts';
import { findProgram, thisMachine } from './find-program.ts';
import { packageStep, sizeStep } from './package-steps.ts';
import { countPlaywright, countReport, countVitest, type Count } from './report.ts';
import type { Step, StepContext } from './step.ts';

/** Ends a program that hangs. A busy machine may take long. */
const LIMIT_MS = 15 * 60_000;

/** Steps that start browsers or measure time keep the machine's two cores to themselves. */
const TWO_CORES = 2;
/** A measurement has the whole machine. */
const ALL_CORES = Infinity;

export const STEPS: readonly Step[] = [
  {
    name: 'format',
    about: 'oxfmt leaves every file as it is',
    cores: 1,
    run: (context) => checkCommand(context, 'formatted', 'oxfmt', ['--check', '.']),
  },
  {
    name: 'lint',
    about: 'oxlint, with type information',
    cores: 1,
    run: (context) => checkCommand(context, 'lint', 'oxlint', []),
  },
  { name: 'types', about: 'tsc over every project', cores: 1, run: typesStep },
  {
    name: 'unused',
    about: 'knip: files, exports and dependencies without a user',
    cores: 1,
    run: (context) => checkCommand(context, 'unused', 'knip', ['--no-progress']),
  },
  {
    name: 'proofs',
    about: 'every rule and every bound has its proof (PROOFS.md)',
    cores: 1,
    run: proofsStep,
  },
  {
    name: 'prose',
    about: 'words that make comments, messages and documents hard to read',
    cores: 1,
    run: proseStep,
  },
  {
    name: 'cost',
    about: 'what the compiler does for a channel, against the same in tRPC',
    cores: 1,
    run: costStep,
  },
  { name: 'unit', about: 'unit tests and type tests (vitest)', cores: TWO_CORES, run: unitStep },
  {
    name: 'brokers',
    about: 'logs on real Redis, PostgreSQL and NATS servers, and their failures (vitest)',
    // Servers that are down or hang make these tests wait more than they work.
    cores: 1,
    run: brokersStep,
  },
  {
    name: 'package',
    about: 'what would be published: build, publint, attw, imports, npm install, names',
    cores: 1,
    writes: 'dist',
    run: packageStep,
  },
  { name: 'size', about: 'bytes of the published client', cores: 1, writes: 'dist', run: sizeStep },
  {
    name: 'simulate',
    about: 'seeded worlds, and faults that the checker must catch',
    cores: TWO_CORES,
    run: simulateStep,
  },
  {
    name: 'bench',
    about: 'cost of an event and of a connection, as ratios to bare loops',
    cores: ALL_CORES,
    run: benchStep,
  },
  { name: 'e2e', about: 'real servers and a real browser (Playwright)', cores: TWO_CORES, run: e2eStep },
  {
    name: 'browsers',
    about: 'the client in Chromium, Firefox and WebKit: conformance and chaos',
    cores: TWO_CORES,
    run: browsersStep,
  },
];

async function checkCommand(
  { log, check }: StepContext,
  name: string,
  program: string,
  args: readonly string[],
): Promise<void> {
  const { ok, output } = await runCommand(program, args, { timeoutMs: LIMIT_MS });
  log(output);
  check(name, ok);
}

async function typesStep({ log, check }: StepContext): Promise<void> {
  const projects = globSync('{,*/,*/*/}tsconfig{,.build}.json', {
    cwd: ROOT,
    exclude: (path) => /(^|\/)(node_modules|fixtures)(\/|$)/.test(path),
  }).toSorted();
  for (const project of projects) {
    const folder = dirname(project);
    if (folder !== '.' && !hasSources(join(ROOT, folder))) continue;
    const { ok, output } = await runCommand('tsc', ['-p', project, '--noEmit'], { timeoutMs: LIMIT_MS });
    log(output);
    check(`types of ${project}`, ok);
  }
}

async function proofsStep({ log, check }: StepContext): Promise<void> {
  const { findProofProblems } = await import('./proofs.ts');
  const { readProofSources } = await import('./proof-sources.ts');
  const problems = findProofProblems(readProofSources());
  log(problems.join('\n'));
  check('proofs of rules and bounds', problems.length === 0);
}

async function proseStep({ log, check }: StepContext): Promise<void> {
  const { findHardWords, readProse } = await import('./prose.ts');
  const found = findHardWords(readProse());
  log(found.join('\n'));
  check('words of comments, messages and documents', found.length === 0);
}

async function costStep({ log, check }: StepContext): Promise<void> {
  const { ok, output } = await runCommand('node', ['scripts/type-cost.ts'], { timeoutMs: LIMIT_MS });
  log(output);
  check('type-check cost within a third', ok);
}

function hasSources(folder: string): boolean {
  return (
    globSync('**/*.{ts,tsx}', { cwd: folder, exclude: (path) => path.includes('node_modules') }).length > 0
  );
}

async function unitStep(context: StepContext): Promise<void> {
  await runVitest('unit', ['unit', 'react-18', 'types'], context);
}

async function brokersStep(context: StepContext): Promise<void> {
  await runVitest('brokers', ['brokers'], context);
}

async function runVitest(
  runner: 'unit' | 'brokers',
  projects: readonly string[],
  context: StepContext,
): Promise<void> {
  const { findNeeds } = await import('./programs.ts');
  const env = findNeeds(runner, { ...thisMachine(), say: context.say });
  await withReport(async (report) => {
    const chosen = projects.flatMap((project) => ['--project', project]);
    const args = ['run', ...chosen, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const result = await runCommand('vitest', args, { timeoutMs: LIMIT_MS, env });
    return { result, count: countReport(report, result.ok, countVitest) };
  }, context);
}

async function e2eStep(context: StepContext): Promise<void> {
  const { CHROMIUM, findNeeds } = await import('./programs.ts');
  const machine = { ...thisMachine(), say: context.say };
  const browser = findProgram(CHROMIUM, machine);
  const needs = findNeeds('e2e', machine);
  await withReport(async (report) => {
    const result = await runCommand('playwright', ['test', '--reporter=list,json'], {
      timeoutMs: LIMIT_MS,
      env: {
        ...needs,
        PLAYWRIGHT_JSON_OUTPUT_FILE: report,
        [CHROMIUM.variable]: browser,
        FORCE_COLOR: '0',
      },
    });
    return { result, count: countReport(report, result.ok, countPlaywright) };
  }, context);
}

/** Duration of the simulated worlds in a test run; `pnpm simulate` runs more. */
const SIMULATE_SECONDS = 60;
/** The part of it for worlds whose users are tabs that share a connection. */
const TABS_SECONDS = 20;
/**
 * Worlds to try for each planted fault; a fault that none of them shows counts as not caught. The rarest one shows in
 * one of fifty worlds.
 */
const WORLDS_FOR_A_FAULT = 500;

async function simulateStep({ log, check }: StepContext): Promise<void> {
  const { FAULTS } = await import('../../simulate/faults.ts');
  const run = async (args: readonly string[]): Promise<CommandResult> =>
    await runCommand('node', ['simulate/run.ts', ...args], { timeoutMs: LIMIT_MS });
  const runWorlds = async (name: string, args: readonly string[]): Promise<void> => {
    const { ok, output } = await run(args);
    log(output);
    check(name, ok);
  };
  const jobs: Array<() => Promise<void>> = [
    () => runWorlds('every world keeps its promises', ['--for', String(SIMULATE_SECONDS - TABS_SECONDS)]),
    () => runWorlds('every world of tabs keeps its promises', ['--tabs', '--for', String(TABS_SECONDS)]),
    ...FAULTS.map((fault) => async () => {
      const { ok, output } = await run([
        '--fault',
        fault.name,
        '--seeds',
        String(WORLDS_FOR_A_FAULT),
        '--bail',
      ]);
      // Caught: the run failed, and not because something else broke.
      const caught = !ok && /^seed \d+: /m.test(output);
      if (!caught) log(`Not caught: ${fault.name}\n${output}`);
      check(`caught: ${fault.name}`, caught);
    }),
  ];
  // Two at a time: each is one process, and a test machine has at least two cores.
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job();
  };
  await Promise.all([work(), work()]);
}

async function benchStep({ log, check }: StepContext): Promise<void> {
  // Compiled code of the cache takes another amount of memory.
  const env = { NODE_DISABLE_COMPILE_CACHE: '1' };
  const { ok, output } = await runCommand('node', ['bench/check.ts'], { timeoutMs: LIMIT_MS, env });
  log(output);
  const checks = [...output.matchAll(/^(ok|FAILED): (.+)$/gm)];
  for (const [, verdict, what] of checks) check(what!, verdict === 'ok');
  // A bench that broke off has not reported its remaining checks.
  if (!ok && !checks.some(([, verdict]) => verdict === 'FAILED')) check('the short bench ends', false);
}

async function browsersStep({ log, say, count }: StepContext): Promise<void> {
  const { ok, output } = await runCommand('node', ['e2e/engines/run.ts'], { timeoutMs: LIMIT_MS });
  log(output);
  for (const line of output.split('\n')) {
    if (/^NOT TESTED|is not here: installing/.test(line)) say(line);
  }
  const [, passed = '0', failed = '0'] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  count({ passed: Number(passed), failed: ok ? Number(failed) : Math.max(1, Number(failed)) });
}

async function withReport(
  run: (path: string) => Promise<{ result: CommandResult; count: Count }>,
  { log, count }: StepContext,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-report-'));
  try {
    const ended = await run(join(folder, 'report.json'));
    log(ended.result.output);
    count(ended.count);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
