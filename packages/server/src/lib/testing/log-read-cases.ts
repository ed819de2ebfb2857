/** Contract of a log: pages. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions } from '@linefeed/shared/wire';
import type { LogCaseBody } from './log-bench.ts';
import { entryOf, numbers, valuesOf } from './log-checks.ts';

export const readCases: readonly LogCaseBody[] = [
  {
    name: 'a page has only events of the requested addresses',
    async run(bench) {
      await bench.addMany(numbers(9).map((n) => entryOf(`a${n % 3}`, n)));
      assert.deepEqual(valuesOf((await bench.read(['a0', 'a2', 'never'])).events), [2, 3, 5, 6, 8, 9]);
    },
  },
  {
    name: 'each address is read past the later of its own position and `after`',
    async run(bench) {
      await bench.addMany(numbers(8).map((n) => entryOf(n % 2 === 0 ? 'even' : 'odd', n)));
      const { events } = await bench.read(['even', 'odd']);
      const [, second, , , , sixth] = events.map(({ position }) => position);
      const floors = new Map([
        ['even', sixth!],
        ['odd', BEGINNING],
      ]);
      assert.deepEqual(valuesOf((await bench.read(floors, { after: second! })).events), [3, 5, 7, 8]);
    },
  },
  {
    name: 'a page without matching events reaches the newest position',
    async run(bench) {
      const newest = await bench.add('a', 1);
      const page = await bench.read(['other']);
      assert.deepEqual([page.events, page.through], [[], newest]);
      const none = await bench.read([]);
      assert.deepEqual([none.events, none.through], [[], newest]);
    },
  },
  {
    name: 'a page past the end of the log is empty and keeps the requested position',
    async run(bench) {
      await bench.add('a', 1);
      for (const after of ['zzzzz', 'z'.repeat(40)]) {
        const page = await bench.read(['a'], { after });
        assert.deepEqual([page.events, page.evictedThrough.size], [[], 0]);
        assert.equal(page.through, after);
      }
    },
  },
  {
    name: 'pages limited by count join without a gap or a repeat',
    async run(bench) {
      await bench.addMany(numbers(100).map((n) => entryOf(`a${n % 7}`, n)));
      const addresses = ['a0', 'a3', 'a5'];
      const expected = numbers(100).filter((n) => [0, 3, 5].includes(n % 7));
      for (const limit of [1, 2, 7, 43, 44]) {
        assert.deepEqual(valuesOf(await bench.readAll(addresses, { limit })), expected, `limit ${limit}`);
      }
    },
  },
  {
    name: 'a page with room for all events reaches the newest position, and a full last page leaves none',
    async run(bench) {
      await bench.addMany(numbers(5).map((n) => entryOf('a', n)));
      const newest = await bench.add('b', 0);
      const page = await bench.read(['a'], { limit: 6 });
      assert.equal(page.through, newest);
      // At the limit, a log need not know that no event follows.
      const full = await bench.read(['a'], { limit: 5 });
      assert.equal(full.events.length, 5);
      assert.deepEqual((await bench.read(['a'], { after: full.through })).events, []);
    },
  },
  {
    name: 'pages are limited by bytes, and each has at least one event',
    async run(bench) {
      await bench.addMany(numbers(10).map((n) => entryOf('a', 'x'.repeat(n === 5 ? 5_000 : 98))));
      assert.equal((await bench.read(['a'], { maxBytes: 350 })).events.length, 3);
      assert.equal((await bench.readAll(['a'], { maxBytes: 350 })).length, 10);
      const pages = await bench.read(['a'], { maxBytes: 1 });
      assert.equal(pages.events.length, 1);
    },
  },
  {
    name: 'events of many busy and quiet addresses are merged in order',
    async run(bench) {
      const entries = numbers(1_200).map((n) => entryOf(n % 3 === 0 ? 'busy' : `quiet${(n * 7) % 120}`, n));
      await bench.addMany(entries);
      const addresses = [...new Set(entries.map(({ address }) => address))].filter(
        (_, index) => index % 2 === 0,
      );
      const expected = numbers(1_200).filter((n) => addresses.includes(entries[n - 1]!.address));
      for (const limit of [17, 400]) {
        assert.deepEqual(valuesOf(await bench.readAll(addresses, { limit })), expected);
      }
    },
  },
  {
    name: 'events that are appended between two pages are in a later page',
    async run(bench) {
      await bench.addMany(numbers(4).map((n) => entryOf('a', n)));
      const page = await bench.read(['a'], { limit: 2 });
      await bench.addMany(numbers(4, 5).map((n) => entryOf('a', n)));
      assert.deepEqual(valuesOf((await bench.read(['a'], { after: page.through })).events), numbers(6, 3));
    },
  },
  {
    name: 'keep: latest holds only the newest value and reports no gap',
    async run(bench) {
      await bench.addMany(numbers(5).map((n) => entryOf('p', n, 'latest')));
      const newest = (await bench.append([entryOf('p', 6, 'latest'), entryOf('p', 7, 'latest')])).position;
      const page = await bench.read(['p']);
      assert.deepEqual(valuesOf(page.events), [7]);
      assert.deepEqual([page.events[0]!.position, page.events[0]!.prev], [newest, undefined]);
      assert.equal(page.evictedThrough.size, 0);
      assert.deepEqual((await bench.read(['p'], { after: newest })).events, []);
    },
  },
  {
    name: 'a value that is superseded between two pages is skipped without a gap',
    async run(bench) {
      await bench.addMany([entryOf('a', 1), entryOf('p', 'old', 'latest'), entryOf('a', 2)]);
      const first = await bench.read(['a', 'p'], { limit: 1 });
      await bench.append([entryOf('p', 'new', 'latest')]);
      const rest = await bench.read(['a', 'p'], { after: first.through });
      assert.deepEqual(valuesOf(rest.events), [2, 'new']);
      assert.equal(rest.evictedThrough.size, 0);
    },
  },
  {
    name: 'a topic that changes to keep: latest keeps only its newest value',
    async run(bench) {
      await bench.addMany([entryOf('p', 1), entryOf('p', 2), entryOf('p', 3, 'latest')]);
      const page = await bench.read(['p']);
      assert.deepEqual(valuesOf(page.events), [3]);
      assert.equal(page.evictedThrough.size, 0);
    },
  },
  {
    name: 'a topic that changes from keep: latest to keep: all loses no event',
    async run(bench) {
      await bench.addMany([
        entryOf('p', 1, 'latest'),
        entryOf('p', 2, 'latest'),
        entryOf('p', 3),
        entryOf('p', 4),
      ]);
      const page = await bench.read(['p']);
      assert.deepEqual(valuesOf(page.events), [2, 3, 4]);
      assert.equal(comparePositions(page.events[1]!.prev!, page.events[0]!.position), 0);
    },
  },
];
