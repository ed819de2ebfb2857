import { AssertionError } from 'node:assert';
import { describe, expect, test } from 'vitest';
import { BROKEN_RUN_COMMITS } from '../../../test-kit/broken/broken-run-commits.ts';
import { BROKEN_RUN_EVENTS } from '../../../test-kit/broken/broken-run-events.ts';
import { BROKEN_RUN_KEYS } from '../../../test-kit/broken/broken-run-keys.ts';
import { BROKEN_RUN_SERVERS } from '../../../test-kit/broken/broken-run-servers.ts';
import { NETWORK_TRAITS, networkUnderTest } from '../../../test-kit/network-runs.ts';
import { memoryRuns } from '../runs/memory-runs.ts';
import { runStoreContract } from './run-store-suite.ts';

const BROKEN = [...BROKEN_RUN_COMMITS, ...BROKEN_RUN_EVENTS, ...BROKEN_RUN_KEYS, ...BROKEN_RUN_SERVERS];

describe('a store of runs over a network', () => {
  for (const { name, run } of runStoreContract(networkUnderTest, NETWORK_TRAITS)) {
    test(name, async () => expect(await run()).toBeUndefined());
  }
});

describe.each(BROKEN)('a store of runs that $what', ({ create, red }) => {
  // A broken store often never does what a case waits for.
  const cases = runStoreContract(create, { ...NETWORK_TRAITS, patienceMs: 250 });
  test.each(red)('is refused by: %s', async (name) => {
    const found = cases.find((one) => one.name === name);
    expect(found, `there is a case "${name}"`).toBeDefined();
    const error: unknown = await found!.run().catch((failure: unknown) => failure);
    // Not an error of the test itself.
    expect(error).toBeInstanceOf(Error);
    if (!(error instanceof AssertionError)) expect((error as { code?: unknown }).code).toBeTypeOf('string');
  });
});

test('every case of the contract of stores of runs refuses a broken store', () => {
  const refusing = new Set(BROKEN.flatMap(({ red }) => red));
  const cases = runStoreContract(networkUnderTest, NETWORK_TRAITS).map(({ name }) => name);
  expect(cases.filter((name) => !refusing.has(name))).toEqual([]);
});

test('the contract of stores of runs names the cases that it leaves out, and what they need', () => {
  const { skipped } = runStoreContract(() => ({ open: () => memoryRuns() }));
  expect(skipped).toContainEqual({
    name: 'a closed handle does not affect another one',
    reason: 'needs the trait persistent',
  });
  expect(skipped).toContainEqual({
    name: 'hints of changes continue after the connections were reset and became half-open',
    reason: 'needs the trait watches, the fault resetConnections, the fault halfOpen',
  });
});

test('the contract of stores of runs refuses a store whose traits do not name its abilities', async () => {
  const open = () => memoryRuns();
  const [first] = runStoreContract(() => ({ open, recreate: () => undefined }), { watches: true });
  await expect(first!.run()).rejects.toThrow('recreate() exists if the trait faults names it');
  const [second] = runStoreContract(() => ({ open }));
  await expect(second!.run()).rejects.toThrow('watch() exists if the trait watches is set');
});

test('the contract of stores of runs disposes a store whose handle does not open', async () => {
  let disposed = 0;
  const [first] = runStoreContract(() => ({
    open: () => Promise.reject(new Error('no server')),
    dispose: () => void (disposed += 1),
  }));
  await expect(first!.run()).rejects.toThrow('no server');
  expect(disposed).toBe(1);
});
