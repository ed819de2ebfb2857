/** Contract of a log: bounds, watermarks, forgotten addresses. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { LogBench, LogCaseBody } from './log-bench.ts';
import { assertCovered, entryOf, numbers, valuesOf } from './log-checks.ts';

/** So many addresses that a log with bounded watermarks has forgotten the first. */
const MANY_ADDRESSES = 12_000;

async function addAll(bench: LogBench, address: string, values: readonly unknown[]): Promise<Position[]> {
  const positions = [];
  for (const value of values) positions.push(await bench.add(address, value));
  return positions;
}

export const boundCases: readonly LogCaseBody[] = [
  {
    name: 'the oldest events are evicted first, and the watermark covers them',
    bounds: { maxEvents: 8 },
    async run(bench) {
      const positions = await addAll(bench, 'a', numbers(30 + bench.slack));
      const page = await bench.read(['a']);
      assertCovered(page, 'a', positions);
      assert.ok(
        page.events.length <= 8 + bench.slack && page.events.length >= 4,
        `${page.events.length} are held`,
      );
      assert.equal(page.evictedThrough.size, 1);
    },
  },
  {
    name: 'a reader at the newest evicted position misses nothing',
    bounds: { maxEvents: 8 },
    async run(bench) {
      await addAll(bench, 'a', numbers(30 + bench.slack));
      const watermark = (await bench.read(['a'])).evictedThrough.get('a')!;
      assert.equal((await bench.read(['a'], { after: watermark })).evictedThrough.size, 0);
      assert.equal((await bench.read(new Map([['a', watermark]]))).evictedThrough.size, 0);
    },
  },
  {
    name: 'a watermark applies only to its address',
    bounds: { maxEvents: 8 },
    async run(bench) {
      const positions = await addAll(bench, 'a', numbers(30 + bench.slack));
      await bench.add('b', 1);
      const page = await bench.read(['a', 'b', 'never'], {});
      assertCovered(page, 'a', positions);
      assert.deepEqual([...page.evictedThrough.keys()], ['a']);
    },
  },
  {
    name: 'a page has the watermark of events that were evicted after the previous page',
    bounds: { maxEvents: 8 },
    async run(bench) {
      const positions = await addAll(bench, 'a', numbers(8));
      const first = await bench.read(['a'], { limit: 2 });
      positions.push(...(await addAll(bench, 'a', numbers(6 + bench.slack, 9))));
      const second = await bench.read(['a'], { after: first.through });
      assert.ok(second.evictedThrough.has('a'));
      assertCovered(second, 'a', positions, first.through);
    },
  },
  {
    name: 'the watermark of an address stays when a new event is appended to it',
    bounds: { maxEvents: 4 },
    async run(bench) {
      const [, second] = await addAll(bench, 'a', [1, 2]);
      await addAll(bench, 'b', numbers(8 + bench.slack));
      const back = await bench.add('a', 3);
      const page = await bench.read(['a']);
      assert.deepEqual(
        page.events.map(({ position }) => position),
        [back],
      );
      assert.equal(page.evictedThrough.get('a'), second);
      assert.ok(page.events[0]!.prev === undefined || page.events[0]!.prev === second);
    },
  },
  {
    name: 'addresses that the log has forgotten share a watermark',
    bounds: { maxEvents: 4 },
    async run(bench) {
      const [, seen] = await addAll(bench, 'a', [1, 2]);
      const newest = await bench.addMany(numbers(MANY_ADDRESSES).map((n) => entryOf(`room?n=${n}`, n)));
      const watermark = (await bench.read(['a'])).evictedThrough.get('a');
      assert.ok(
        watermark !== undefined && comparePositions(watermark, seen!) >= 0,
        'what was evicted stays known',
      );
      assert.equal((await bench.read(['a', 'never'], { after: newest })).evictedThrough.size, 0);
      const page = await bench.read(['room?n=6000']);
      assert.deepEqual([page.events.length, page.evictedThrough.size], [0, 1]);
    },
  },
  {
    name: 'a forgotten address with a new event keeps its watermark and has no wrong prev',
    bounds: { maxEvents: 4 },
    async run(bench) {
      const [first, second] = await addAll(bench, 'a', [1, 2]);
      await bench.addMany(numbers(MANY_ADDRESSES).map((n) => entryOf(`room?n=${n}`, n)));
      const back = await bench.add('a', 3);
      const page = await bench.read(['a'], { after: first! });
      assert.deepEqual(
        page.events.map(({ position }) => position),
        [back],
      );
      assert.ok(comparePositions(page.evictedThrough.get('a') ?? BEGINNING, second!) >= 0);
      assert.ok([undefined, second].includes(page.events[0]!.prev));
    },
  },
  {
    name: 'maxBytes bounds the size of the log',
    bounds: { maxBytes: 10_000 },
    async run(bench) {
      const positions = await addAll(
        bench,
        'a',
        numbers(40 + bench.slack).map((n) => `${n} ${'x'.repeat(500)}`),
      );
      const page = await bench.read(['a']);
      assertCovered(page, 'a', positions);
      assert.ok(page.evictedThrough.has('a'));
      assert.ok(page.events.length <= 20 + bench.slack, `${page.events.length} are held`);
    },
  },
  {
    name: 'idempotency keys count towards maxBytes',
    bounds: { maxBytes: 10_000 },
    async run(bench) {
      for (const n of numbers(60 + bench.slack)) {
        await bench.append([entryOf('a', n)], { idempotencyKey: `${n} ${'k'.repeat(240)}` });
      }
      const { events } = await bench.read(['a']);
      assert.ok(events.length <= 41 + bench.slack, `${events.length} are held`);
    },
  },
  {
    name: 'events past maxAgeMs are evicted, and the watermark covers them',
    needs: ['ages'],
    bounds: { maxAgeMs: 60_000 },
    async run(bench) {
      const positions = await addAll(bench, 'a', [1, 2]);
      await bench.clock.advance(40_000);
      positions.push(await bench.add('a', 3));
      assert.equal((await bench.read(['a'])).events.length, 3);
      await bench.clock.advance(30_000);
      const page = await bench.read(['a']);
      assert.deepEqual(valuesOf(page.events), [3]);
      assert.equal(page.evictedThrough.get('a'), positions[1]);
    },
  },
  {
    name: 'the newest value of keep: latest does not expire',
    needs: ['ages'],
    bounds: { maxAgeMs: 60_000 },
    async run(bench) {
      await bench.append([entryOf('p', 1, 'latest')]);
      await bench.clock.advance(600_000);
      const page = await bench.read(['p']);
      assert.deepEqual([valuesOf(page.events), page.evictedThrough.size], [[1], 0]);
    },
  },
  {
    name: 'keep: all events evict no keep: latest values, and keep: latest values evict no keep: all events',
    bounds: { maxEvents: 8 },
    async run(bench) {
      await bench.addMany([entryOf('p', 'value', 'latest'), entryOf('a', 1)]);
      await bench.addMany(numbers(40).map((n) => entryOf(`q${n % 5}`, n, 'latest')));
      assert.deepEqual(valuesOf((await bench.read(['a'])).events), [1]);
      await bench.addMany(numbers(40 + bench.slack).map((n) => entryOf('b', n)));
      const page = await bench.read(['p']);
      assert.deepEqual([valuesOf(page.events), page.evictedThrough.size], [['value'], 0]);
    },
  },
  {
    name: 'keep: latest values are evicted past maxEvents, and a new value of their address leaves no gap',
    bounds: { maxEvents: 8 },
    async run(bench) {
      await bench.addMany(numbers(30 + bench.slack).map((n) => entryOf(`p${n}`, n, 'latest')));
      const page = await bench.read(['p1']);
      assert.deepEqual([page.events.length, page.evictedThrough.size], [0, 1]);
      await bench.append([entryOf('p1', 'new', 'latest')]);
      const back = await bench.read(['p1']);
      assert.deepEqual([valuesOf(back.events), back.evictedThrough.size], [['new'], 0]);
    },
  },
];
