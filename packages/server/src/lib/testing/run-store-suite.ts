/** The contract of a store of runs as a list of cases that any test runner can run. */
import { toContract, type Contract } from './contract.ts';
import { runCommitCases } from './run-commit-cases.ts';
import { runEventCases } from './run-event-cases.ts';
import { runFeedCases } from './run-feed-cases.ts';
import { runKeyCases } from './run-key-cases.ts';
import { RunStoreBench, type RunStoreCaseBody } from './run-store-bench.ts';
import { runStoreEndCases } from './run-store-end-cases.ts';
import { runStoreFaultCases } from './run-store-fault-cases.ts';
import {
  RUN_STORE_FAULTS,
  type CreateRunStoreUnderTest,
  type RunStoreNeed,
  type RunStoreTraits,
} from './run-store-under-test.ts';
import { runTimeCases } from './run-time-cases.ts';

const BODIES: readonly RunStoreCaseBody[] = [
  ...runCommitCases,
  ...runEventCases,
  ...runTimeCases,
  ...runKeyCases,
  ...runStoreEndCases,
  ...runStoreFaultCases,
  ...runFeedCases,
];

/**
 * Everything that a store of runs must do for Linefeed's promises to hold. Give each case to a test runner.
 *
 * @example
 *   import { sqliteRuns } from '@linefeed/server/sqlite';
 *   import { runStoreContract } from '@linefeed/server/testing';
 *   import { rmSync } from 'node:fs';
 *   import { test } from 'node:test';
 *
 *   const contract = runStoreContract(
 *     () => ({
 *       open: () => sqliteRuns({ path: 'test.db' }),
 *       dispose: () => rmSync('test.db'),
 *     }),
 *     { persistent: true, realTime: true },
 *   );
 *   for (const { name, run } of contract) test(name, run);
 *   for (const { name, reason } of contract.skipped) test(name, { skip: reason });
 *
 * @param create Makes a new, empty store for each case
 * @param traits The optional abilities and the possible faults of the store. `skipped` has the cases of the others.
 */
export function runStoreContract(create: CreateRunStoreUnderTest, traits: RunStoreTraits = {}): Contract {
  return toContract<RunStoreNeed, RunStoreCaseBody>(BODIES, RUN_STORE_FAULTS, traits, async (body) => {
    const bench = await RunStoreBench.create(create, traits);
    try {
      await body.run(bench);
    } finally {
      await bench.dispose();
    }
  });
}
