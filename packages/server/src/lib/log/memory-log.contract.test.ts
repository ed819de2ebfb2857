import { describe, expect, test } from 'vitest';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { systemClock } from '../base/clock.ts';
import { logContract } from '../testing/log-suite.ts';
import { FAULTS } from '../testing/log-under-test.ts';
import { memoryLog } from './memory-log.ts';

const contract = logContract(
  (setup) => {
    const log = memoryLog(setup);
    return { open: () => log };
  },
  { ages: true },
);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}

test('the contract of a log in memory leaves out only cases with a trait or a fault', () => {
  const needs = new Set(contract.skipped.flatMap(({ reason }) => reason.replace('needs ', '').split(', ')));
  expect(needs).toEqual(
    new Set(['the trait persistent', 'the trait contains', ...FAULTS.map((fault) => `the fault ${fault}`)]),
  );
});

/** Behaves like a log over a network: its calls resolve later. */
const asynchronous = logContract(
  (setup) => {
    const log = new ScriptedLog(setup);
    log.maxReads = Infinity;
    log.beforeAnswer = () => new Promise((resolve) => systemClock.defer(resolve));
    return { open: () => log, rollBack: (to) => log.rollBack(parseInt(to, 36)) };
  },
  { ages: true, faults: ['rollBack'] },
);

describe('a log with asynchronous answers', () => {
  for (const { name, run } of asynchronous) {
    test(name, async () => expect(await run()).toBeUndefined());
  }
});
