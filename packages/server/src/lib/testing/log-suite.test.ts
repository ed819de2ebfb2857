import { AssertionError } from 'node:assert';
import { describe, expect, test } from 'vitest';
import { BROKEN_APPENDS } from '../../../test-kit/broken/broken-appends.ts';
import { BROKEN_PAGES } from '../../../test-kit/broken/broken-pages.ts';
import { BROKEN_SERVERS } from '../../../test-kit/broken/broken-servers.ts';
import { BROKEN_TAILS } from '../../../test-kit/broken/broken-tails.ts';
import { REMOTE_TRAITS, remoteUnderTest } from '../../../test-kit/remote-under-test.ts';
import { memoryLog } from '../log/memory-log.ts';
import { logContract } from './log-suite.ts';

const BROKEN = [...BROKEN_APPENDS, ...BROKEN_PAGES, ...BROKEN_TAILS, ...BROKEN_SERVERS];
/** A broken log often never does what a case waits for. */
const TRAITS = { ...REMOTE_TRAITS, patienceMs: 250 };

describe.each(BROKEN)('a log that $what', ({ create, red }) => {
  const cases = logContract(create, TRAITS);
  test.each(red)('is refused by: %s', async (name) => {
    const found = cases.find((one) => one.name === name);
    expect(found, `there is a case "${name}"`).toBeDefined();
    const error: unknown = await found!.run().catch((failure: unknown) => failure);
    // Not an error of the test itself.
    expect(error).toBeInstanceOf(Error);
    if (!(error instanceof AssertionError)) expect((error as { code?: unknown }).code).toBeTypeOf('string');
  });
});

test('every case of the log contract refuses a broken log', () => {
  const refusing = new Set(BROKEN.flatMap(({ red }) => red));
  const cases = logContract(remoteUnderTest, REMOTE_TRAITS).map(({ name }) => name);
  expect(cases.filter((name) => !refusing.has(name))).toEqual([]);
});

test('the log contract names the cases that it leaves out, and what they need', () => {
  const { skipped } = logContract(() => ({ open: () => memoryLog() }), { persistent: true });
  expect(skipped).toContainEqual({
    name: 'the newest value of keep: latest does not expire',
    reason: 'needs the trait ages',
  });
  expect(skipped).toContainEqual({
    name: 'contains() is false for a lost event, and true for one that was kept',
    reason: 'needs the fault rollBack, the trait contains',
  });
});

test('the log contract refuses a log whose traits do not name its faults', async () => {
  const rollBack = (): void => undefined;
  const [first] = logContract(() => ({ open: () => memoryLog(), rollBack }));
  await expect(first!.run()).rejects.toThrow('rollBack() exists if the trait faults names it');
  const [second] = logContract(() => ({ open: () => memoryLog() }), { faults: ['pause'] });
  await expect(second!.run()).rejects.toThrow('pause() exists if the trait faults names it');
  const [third] = logContract(() => ({ open: () => memoryLog() }), { contains: true });
  await expect(third!.run()).rejects.toThrow('contains() exists if the trait contains is set');
});

test('the log contract disposes a log whose handle does not open', async () => {
  let disposed = 0;
  const [first] = logContract(() => ({
    open: () => Promise.reject(new Error('no server')),
    dispose: () => void (disposed += 1),
  }));
  await expect(first!.run()).rejects.toThrow('no server');
  expect(disposed).toBe(1);
});
