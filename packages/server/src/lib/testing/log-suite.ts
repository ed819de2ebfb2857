/** The contract of a log as a list of cases that any test runner can run. */
import { appendCases } from './log-append-cases.ts';
import { boundCases } from './log-bound-cases.ts';
import { LogBench, type LogCaseBody } from './log-bench.ts';
import { readCases } from './log-read-cases.ts';
import { tailCases } from './log-tail-cases.ts';
import type { CreateLogUnderTest, LogTraits } from './log-bench.ts';

/** One case. `run` rejects with an AssertionError if the log breaks the contract. */
export interface LogCase {
  /** The title of the test. */
  readonly name: string;
  /** Runs the case on a new log. */
  run(): Promise<void>;
}

/**
 * Everything that a log must do for Linefeed's promises to hold. Give each case to a test runner.
 *
 * @example
 *   import { memoryLog } from '@linefeed/server';
 *   import { logContract } from '@linefeed/server/testing';
 *   import { test } from 'node:test';
 *
 *   const contract = logContract(({ maxEvents, maxBytes, maxAgeMs }) => {
 *     const log = memoryLog({ maxEvents, maxBytes, maxAgeMs });
 *     return { open: () => log };
 *   });
 *   for (const { name, run } of contract) test(name, run);
 *
 * @param create Makes a new, empty log for each case
 * @param traits The optional abilities of the log. Cases of other traits are left out.
 */
export function logContract(create: CreateLogUnderTest, traits: LogTraits = {}): readonly LogCase[] {
  const bodies: LogCaseBody[] = [...appendCases, ...readCases, ...boundCases, ...tailCases];
  return bodies
    .filter(({ needs }) => needs === undefined || traits[needs] === true)
    .map(({ name, bounds, run }) => ({
      name,
      async run() {
        const bench = await LogBench.create(create, bounds, traits);
        try {
          await run(bench);
        } finally {
          await bench.dispose();
        }
      },
    }));
}
