import { expect, test } from 'vitest';
import { runStoreContract } from '../testing/run-store-suite.ts';
import { RUN_STORE_FAULTS } from '../testing/run-store-under-test.ts';
import { memoryRuns } from './memory-runs.ts';

const contract = runStoreContract(
  ({ clock }) => {
    const store = memoryRuns({ clock });
    return { open: () => store };
  },
  { watches: true },
);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}

test('the contract of runs in memory leaves out only cases with a trait or a fault', () => {
  const needs = new Set(contract.skipped.flatMap(({ reason }) => reason.replace('needs ', '').split(', ')));
  expect(needs).toEqual(
    new Set(['the trait persistent', ...RUN_STORE_FAULTS.map((fault) => `the fault ${fault}`)]),
  );
});
