import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { expect, it } from 'vitest';
import type { ReadQuery } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { PageCache } from './page-cache.ts';
import { createManualClock } from '@linefeed/shared/testing';

it('a page is read once for equal requests in consecutive ticks, and again after a tick without a request', async () => {
  const log = memoryLog();
  for (const data of ['1', '2']) {
    await log.append(['a', 'b'].map((address) => ({ address, data, keep: 'all' as const })));
  }
  const clock = createManualClock();
  const asked: ReadQuery[] = [];
  const pages = new PageCache({
    log: { ...log, read: (query) => (asked.push(query), log.read(query)) },
    clock,
    encode: ({ data }) => data,
  });
  const read = (after: Position, ...addresses: ReadonlyArray<[string, Position]>): unknown =>
    pages.read(after, new Map(addresses));
  const page = read(BEGINNING, ['a', BEGINNING]);
  expect(read(BEGINNING, ['a', BEGINNING])).toBe(page);
  const seen: unknown[] = [];
  const readOn = (): void => {
    if (seen.push(read(BEGINNING, ['a', BEGINNING])) < 5) clock.defer(readOn);
  };
  readOn();
  await clock.settle();
  expect(seen).toEqual(Array(5).fill(page));
  expect(asked).toHaveLength(1);
  const again = read(BEGINNING, ['a', BEGINNING]);
  expect(again).toEqual(page);
  expect(asked).toHaveLength(2);
  // Another position, another floor, another address: each is a page of its own.
  expect(read('1', ['a', BEGINNING])).toMatchObject({ events: [{ address: 'a', position: '3' }] });
  expect(read(BEGINNING, ['a', '1'])).toMatchObject({ events: [{ address: 'a', position: '3' }] });
  const both = read(BEGINNING, ['a', BEGINNING], ['b', BEGINNING]);
  expect(both).toMatchObject({
    through: '4',
    events: ['1', '2', '3', '4'].map((position) => ({ position })),
  });
  expect(asked).toHaveLength(5);
  await log.append([{ address: 'a', data: '3', keep: 'all' }]);
  pages.forget();
  expect(read(BEGINNING, ['a', BEGINNING], ['b', BEGINNING])).toMatchObject({ through: '5' });
  expect(asked).toHaveLength(6);
});

it('a page that makes no progress is not cached', async () => {
  const log = memoryLog();
  const pages = new PageCache({ log, clock: createManualClock(), encode: ({ data }) => data });
  const addresses = new Map([['a', BEGINNING]]);
  expect(await pages.read(BEGINNING, addresses)).toMatchObject({ events: [], through: BEGINNING });
  await log.append([{ address: 'a', data: '1', keep: 'all' }]);
  expect(await pages.read(BEGINNING, addresses)).toMatchObject({ events: [{ data: '1' }], through: '1' });
});

it('a page has the requested addresses, even if the first caller changes them before the log answers', async () => {
  const log = memoryLog();
  for (const address of ['a', 'b']) await log.append([{ address, data: '1', keep: 'all' }]);
  const pages = new PageCache({
    log: { ...log, read: async (query) => (await Promise.resolve(), log.read(query)) },
    clock: createManualClock(),
    encode: ({ data }) => data,
  });
  const first = new Map([['a', BEGINNING]]);
  const page = pages.read(BEGINNING, first);
  const shared = pages.read(BEGINNING, new Map([['a', BEGINNING]]));
  expect(shared).toBe(page);
  first.delete('a');
  first.set('b', BEGINNING);
  expect(await shared).toMatchObject({ events: [{ address: 'a' }] });
});
