/** Contract of a log: several handles at once, their clocks, and many addresses. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { ManualClock } from '@linefeed/shared/testing';
import type { LogEvent } from '../log/log.ts';
import type { LogCaseBody } from './log-bench.ts';
import { assertCovered, entryOf, numbers, valuesOf } from './log-checks.ts';

const HOUR_MS = 3_600_000;
const MANY = 1_000;

function shifted(clock: ManualClock, ms: number): ManualClock {
  return { ...clock, random: clock.random, now: () => clock.now() + ms, wallNow: () => clock.wallNow() + ms };
}

/** `prev` of each event is the position of the previous event of its address. */
function assertLinked(events: readonly LogEvent[]): void {
  const last = new Map<string, Position>();
  for (const { address, position, prev } of events) {
    assert.equal(prev, last.get(address) ?? BEGINNING, `prev of ${position}`);
    last.set(address, position);
  }
}

const SKEWS = [
  { ms: HOUR_MS, text: 'ahead' },
  { ms: -HOUR_MS, text: 'late' },
];

function skewed({ ms, text }: (typeof SKEWS)[number]): LogCaseBody {
  return {
    name: `events keep the order of their appends, and none is missing without notice, if one clock is an hour ${text}`,
    needs: ['openWithClock'],
    bounds: { maxAgeMs: 60_000 },
    async run(bench) {
      const other = await bench.openWithClock(shifted(bench.clock, ms));
      const followings = [bench.follow(), bench.follow(other)];
      const positions: Position[] = [];
      for (const n of numbers(6)) {
        // The first event is one that the other clock makes old.
        positions.push(await bench.add('a', n, (n % 2 === 0) === ms > 0 ? other : bench.log));
        await bench.clock.advance(1_000);
      }
      assert.deepEqual(positions.toSorted(comparePositions), positions);
      // A handle that follows the log may still have events that the other one has evicted. A new one reads the log.
      for (const log of [other, bench.log, await bench.open()]) {
        const page = await bench.read(['a'], {}, log);
        assertCovered(page, 'a', positions);
        assert.equal(page.epoch, bench.log.epoch);
      }
      for (const following of followings) {
        await bench.until('the newest event', () => following.through === positions.at(-1));
        if (following.resets.length === 0) assert.deepEqual(following.values, numbers(6));
        assert.ok(following.resets.every(({ reason }) => reason === 'trimmed'));
      }
    },
  };
}

export const writerCases: readonly LogCaseBody[] = [
  {
    name: 'appends of two handles in turns have one order, and prev is right across them',
    async run(bench) {
      const handles = [bench.log, await bench.open()] as const;
      const followings = handles.map((log) => bench.follow(log));
      const appends = numbers(60).map((n) => ({
        n,
        entries: [entryOf(`a${n % 3}`, n)],
        options: { idempotencyKey: `key ${n}` },
      }));
      const positions: Position[] = [];
      for (const { n, entries, options } of appends) {
        positions.push((await bench.append(entries, options, handles[n % 2])).position);
      }
      // Each handle repeats the appends of the other.
      for (const { n, entries, options } of appends) {
        const again = await bench.append(entries, options, handles[(n + 1) % 2]);
        assert.deepEqual([again.duplicate, again.position], [true, positions[n - 1]]);
      }
      const last = positions.at(-1);
      await bench.until('60 events', () => followings.every(({ through }) => through === last));
      const pages = [];
      for (const log of handles) pages.push(await bench.read(['a0', 'a1', 'a2'], {}, log));
      for (const { events } of [...pages, ...followings]) {
        assert.deepEqual(
          events.map(({ position }) => position),
          positions,
        );
        assert.deepEqual(valuesOf(events), numbers(60));
        assertLinked(events);
      }
    },
  },
  {
    name: 'concurrent appends of two handles to the same addresses have the right prev',
    async run(bench) {
      const handles = [bench.log, await bench.open()] as const;
      await bench.all(
        numbers(100).map((n) =>
          handles[n % 2]!.append([entryOf(`a${n % 3}`, n), entryOf(`a${(n + 1) % 3}`, n)]),
        ),
      );
      const { events } = await bench.read(['a0', 'a1', 'a2']);
      assert.equal(events.length, 200);
      assertLinked(events);
    },
  },
  {
    name: 'a handle has the watermark of events that another handle evicted',
    bounds: { maxEvents: 8 },
    async run(bench) {
      const other = await bench.open();
      const positions: Position[] = [];
      for (const n of numbers(8)) positions.push(await bench.add('a', n));
      const first = await bench.read(['a'], { limit: 2 }, other);
      for (const n of numbers(12 + bench.slack, 9)) positions.push(await bench.add('a', n));
      const second = await bench.read(['a'], { after: first.through }, other);
      assert.ok(second.evictedThrough.has('a'));
      assertCovered(second, 'a', positions, first.through);
    },
  },
  {
    name: 'newest() is at or past every append that was acknowledged before, on every handle',
    async run(bench) {
      const handles = [bench.log, await bench.open()] as const;
      for (const n of numbers(20)) {
        const acknowledged = await bench.add('a', n, handles[n % 2]);
        for (const log of handles) {
          const newest = await bench.finish(log.newest());
          assert.deepEqual([newest.epoch, newest.position], [bench.log.epoch, acknowledged]);
        }
      }
    },
  },
  {
    name: 'a page has every append that its handle has acknowledged, and every event up to its end',
    async run(bench) {
      const handles = [bench.log, await bench.open()] as const;
      const positions: Position[] = [];
      for (const n of numbers(40)) {
        // Half of the pages are read while tails follow the log.
        if (n === 21) for (const log of handles) bench.follow(log);
        const writer = handles[n % 2];
        positions.push(await bench.add('a', n, writer));
        assert.deepEqual(valuesOf((await bench.read(['a'], {}, writer)).events), numbers(n));
        // A page of another handle may end earlier.
        const { events, through } = await bench.read(['a'], {}, handles[(n + 1) % 2]);
        const reached = positions.filter((position) => comparePositions(position, through) <= 0);
        assert.deepEqual(valuesOf(events), numbers(reached.length));
      }
    },
  },
  {
    name: `a page of ${MANY} addresses has the events of each past a position of its own`,
    async run(bench) {
      const name = (n: number) => `room?n=${n}`;
      const following = bench.follow();
      await bench.addMany(numbers(MANY).flatMap((n) => [entryOf(name(n), `${n} first`)]));
      const floors = new Map(
        (await bench.read(numbers(MANY).map(name))).events.map((e) => [e.address, e.position]),
      );
      assert.equal(floors.size, MANY);
      const newest = await bench.addMany(numbers(MANY).map((n) => entryOf(name(n), `${n} second`)));
      // Odd addresses are read from their start, even ones past their first event.
      for (const n of numbers(MANY)) if (n % 2 === 1) floors.set(name(n), BEGINNING);
      const page = await bench.read(floors);
      const expected = [
        ...numbers(MANY).flatMap((n) => (n % 2 === 1 ? [`${n} first`] : [])),
        ...numbers(MANY).map((n) => `${n} second`),
      ];
      assert.deepEqual(valuesOf(page.events), expected);
      assert.deepEqual([page.through, page.evictedThrough.size], [newest, 0]);
      await bench.until('every event', () => following.through === newest);
      assert.equal(following.events.length, 2 * MANY);
    },
  },
  ...SKEWS.map(skewed),
];
