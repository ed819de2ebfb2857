/** The counters of the tests with several processes. */
import { expect, test } from 'vitest';
import { addressOf, count as countIn, type CountedRun, type Counts, type Seen } from './count.ts';

const event = (n: number, epoch = 'e'): Seen => ({ address: addressOf(n), run: 'a', n, epoch });
const count = (seen: readonly Seen[], runs: readonly CountedRun[]): Counts => countIn(seen, runs, 'e');
const gap = (reason: string): Seen[] => ['room', 'notice'].map((address) => ({ address, gap: reason }));
const run = (...acknowledged: number[]) => [
  { name: 'a', acknowledged: new Map(acknowledged.map((n) => [n, 'e'])) },
];
const zero = { received: 0, missingAnnounced: 0, missingUnannounced: 0, doubled: 0, disordered: 0 };

test('events that all arrive in order count as received', () => {
  expect(
    count(
      [1, 2, 3, 4].map((n) => event(n)),
      run(1, 2, 3, 4),
    ),
  ).toEqual({ ...zero, received: 4 });
});

test('an acknowledged event that did not arrive is missing, at the end too', () => {
  expect(
    count(
      [1, 2, 5].map((n) => event(n)),
      run(1, 2, 3, 5, 6),
    ),
  ).toEqual({
    ...zero,
    received: 3,
    missingUnannounced: 2,
  });
});

test('a gap announces only the missing events at its place', () => {
  const seen = [event(1), event(2), ...gap('trimmed'), event(7), event(8), event(11)];
  expect(count(seen, run(1, 2, 3, 4, 7, 8, 9, 11))).toEqual({
    ...zero,
    received: 5,
    missingAnnounced: 2,
    missingUnannounced: 1,
  });
});

test('a gap before the run began announces none of its events', () => {
  const seen = [...gap('epoch'), event(3)];
  expect(count(seen, [{ ...run(1, 3)[0]!, start: 2 }])).toEqual({
    ...zero,
    received: 1,
    missingUnannounced: 1,
  });
});

test('an event of an unknown outcome may arrive', () => {
  expect(count([event(1), event(3)], run(1))).toEqual({ ...zero, received: 2 });
});

test('a repeated and an early event are counted, except at the beginning of another log', () => {
  expect(count([event(1), event(1), event(5), event(3)], run(1, 3, 5))).toEqual({
    ...zero,
    received: 3,
    doubled: 1,
    disordered: 1,
  });
  expect(count([event(1), event(3), ...gap('epoch'), event(1), event(3)], run(1, 3))).toEqual({
    ...zero,
    received: 2,
  });
});

test('a gap after the last event of a lost epoch announces the rest of it', () => {
  const acknowledged = new Map([1, 3, 5, 7].map((n) => [n, n < 7 ? 'old' : 'new']));
  const first = [event(1, 'old'), ...gap('epoch')];
  // The other log begins with what the lost one had before.
  const later = [event(1, 'new'), event(3, 'new'), event(7, 'new')];
  expect(countIn([...first, ...later], [{ name: 'a', acknowledged }], 'new')).toEqual({
    ...zero,
    received: 3,
    missingAnnounced: 1,
  });
  expect(countIn([event(1, 'old'), ...later], [{ name: 'a', acknowledged }], 'new')).toMatchObject({
    missingUnannounced: 1,
  });
});
