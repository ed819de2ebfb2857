/** The contract of a log as a list of cases that any test runner can run. */
import { toContract, type Contract } from './contract.ts';
import { appendCases } from './log-append-cases.ts';
import { LogBench, type LogCaseBody } from './log-bench.ts';
import { boundCases } from './log-bound-cases.ts';
import { faultCases } from './log-fault-cases.ts';
import { lossCases } from './log-loss-cases.ts';
import { readCases } from './log-read-cases.ts';
import { tailCases } from './log-tail-cases.ts';
import { writerCases } from './log-writer-cases.ts';
import { FAULTS, type CreateLogUnderTest, type LogNeed, type LogTraits } from './log-under-test.ts';

const BODIES: readonly LogCaseBody[] = [
  ...appendCases,
  ...readCases,
  ...boundCases,
  ...tailCases,
  ...writerCases,
  ...lossCases,
  ...faultCases,
];

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
 *   for (const { name, reason } of contract.skipped) test(name, { skip: reason });
 *
 * @param create Makes a new, empty log for each case
 * @param traits The optional abilities and the possible faults of the log. `skipped` has the cases of the others.
 */
export function logContract(create: CreateLogUnderTest, traits: LogTraits = {}): Contract {
  return toContract<LogNeed, LogCaseBody>(BODIES, FAULTS, traits, (body) => runCase(body, create, traits));
}

async function runCase(body: LogCaseBody, create: CreateLogUnderTest, traits: LogTraits): Promise<void> {
  const bench = await LogBench.create(create, body.bounds, traits);
  try {
    await body.run(bench);
    bench.checkFollowed();
  } finally {
    await bench.dispose();
  }
}
