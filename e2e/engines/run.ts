/** The tests in real engines: the conformance tables and a chaos run; ends with one line: `N passed, N failed`. */
import { parseArgs } from 'node:util';
import { ProgramMissing } from '../../scripts/lib/find-program.ts';
import { bundle } from '../kit/bundle.ts';
import { runChaos } from './chaos/run.ts';
import { run as runHere } from './conformance/readers.ts';
import { runConformance } from './conformance/run.ts';
import { startConformanceServer } from './conformance/server.ts';
import type { Place } from './conformance/table.ts';
import { checkGuide } from './guide.ts';
import { ENGINES } from './drivers/open.ts';
import type { Engine, EngineName } from './drivers/engine.ts';
import { runTabs } from './tabs/run.ts';
import type { Verdict } from './verdict.ts';

const HELP = `Usage: npx pnpm@12 test:browsers [--only node,chromium,firefox,webkit] [--faults 30] [--seed 1] [--verbose]

Runs in Node and in each engine the tables of e2e/engines/conformance, and in each engine a chaos run over each
transport: connections that are cut, truncated, silenced, refused, on a server that is killed meanwhile.

  --only a,b    these alone
  --faults N    connections that each transport loses; default 30
  --seed N      of the chaos; default 1
  --verbose     a line for each check, known deviations included

Environment:
  LINEFEED_FIREFOX, LINEFEED_WEBKIT, LINEFEED_XVFB, LINEFEED_CHROMIUM=path    programs to use
  LINEFEED_NO_INSTALL=1                                                       install nothing
`;

interface Options {
  readonly places: readonly Place[];
  readonly faults: number;
  readonly seed: number;
  readonly verbose: boolean;
}

const PLACES: readonly Place[] = ['node', 'chromium', 'firefox', 'webkit'];

function readArguments(): Options {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      faults: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const places = (values.only?.split(',') ?? PLACES) as Place[];
  const unknown = places.find((place) => !PLACES.includes(place));
  if (unknown !== undefined)
    throw new Error(`There is no engine "${unknown}"; they are ${PLACES.join(', ')}.`);
  return { places, faults: Number(values.faults), seed: Number(values.seed), verbose: values.verbose };
}

async function main(): Promise<boolean> {
  const { places, faults, seed, verbose } = readArguments();
  const script = await bundle('engines/page.ts', 'engines');
  const server = await startConformanceServer(script);
  let passed = 0;
  let failed = 0;

  const tell = (title: string, verdicts: readonly Verdict[], startedAt: number): void => {
    const faulty = verdicts.filter(({ fault }) => fault !== undefined);
    const deviations = verdicts.filter(({ deviates }) => deviates).length;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    passed += verdicts.length - faulty.length;
    failed += faulty.length;
    const notes = [
      ...(faulty.length > 0 ? [`${faulty.length} FAILED`] : []),
      ...(deviations > 0 ? [`${deviations} of them known deviations`] : []),
    ];
    console.log(
      `${title}: ${verdicts.length - faulty.length} passed${notes.map((note) => `, ${note}`).join('')} (${seconds} s)`,
    );
    for (const { name, fault, deviates } of verdicts) {
      if (fault !== undefined) console.log(`    FAILED  ${name}\n            ${fault}`);
      else if (verbose) console.log(`    ${deviates ? 'deviates' : 'ok      '}  ${name}`);
    }
  };

  const prove = async (name: EngineName): Promise<void> => {
    let startedAt = performance.now();
    let engine: Engine;
    try {
      engine = await ENGINES[name]();
    } catch (error) {
      if (!(error instanceof ProgramMissing)) throw error;
      console.log(`NOT TESTED: ${name}. ${error.message}`);
      return;
    }
    try {
      await engine.open(server.origin);
      const runner = (jobs: unknown): Promise<unknown[]> =>
        engine.evaluate(`window.linefeed.run(${JSON.stringify(jobs)})`);
      tell(`${engine.version}, conformance`, await runConformance(name, server, runner), startedAt);
      startedAt = performance.now();
      const verdicts = await runChaos(engine, { bundle: script, faults, seed });
      tell(`${engine.version}, chaos with seed ${seed}`, verdicts, startedAt);
      startedAt = performance.now();
      tell(`${engine.version}, tabs`, await runTabs(engine, script), startedAt);
    } finally {
      await engine.close();
    }
  };

  const proveHere = async (): Promise<void> => {
    const startedAt = performance.now();
    tell(`Node ${process.version}, conformance`, await runConformance('node', server, runHere), startedAt);
  };

  tell('docs/engines.md', checkGuide(), performance.now());
  await Promise.all(
    places.map(async (place) => {
      try {
        await (place === 'node' ? proveHere() : prove(place));
      } catch (error) {
        failed += 1;
        console.log(
          `${place} FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
    }),
  );
  await server.close();
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

// Does not wait for handles that an ended engine may have left half-open.
process.exit((await main()) ? 0 : 1);
