/** Contract of a store of runs: leases, and how long records are kept, by the clock of the store. */
import assert from 'node:assert/strict';
import type { ManualClock } from '@linefeed/shared/testing';
import { changeOf, eventsOf, LONG_MS, SHORT_MS, type RunStoreCaseBody } from './run-store-bench.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function shifted(clock: ManualClock, ms: number): ManualClock {
  return { ...clock, random: clock.random, now: () => clock.now() + ms, wallNow: () => clock.wallNow() + ms };
}

const SKEWS = [
  { ms: HOUR_MS, text: 'ahead' },
  { ms: -HOUR_MS, text: 'late' },
];

function skewed({ ms, text }: (typeof SKEWS)[number]): RunStoreCaseBody {
  return {
    name: `leases and records last as long as they should if the clock of a process is an hour ${text}`,
    needs: ['openWithClock'],
    async run(bench) {
      const other = await bench.openWithClock(shifted(bench.clock, ms));
      const handles = [bench.store, other];
      for (const [index, store] of handles.entries()) {
        const key = `k${index}`;
        const expected = await bench.write(key, { leaseMs: 60_000, keepMs: 120_000 }, store);
        for (const reader of handles) {
          const { leaseLeftMs } = await bench.loaded(key, reader);
          assert.ok(leaseLeftMs > 30_000 && leaseLeftMs <= 60_000, `${leaseLeftMs} ms of 60,000 are left`);
          const { now } = await bench.loaded(key, reader);
          const difference = now - (await bench.loaded(key, handles[0])).now;
          assert.ok(Math.abs(difference) < 30_000, `the times of the handles differ by ${difference} ms`);
        }
        await bench.write(key, { expected, keepMs: SHORT_MS / 2 }, handles[1 - index]);
        await bench.untilGone(key);
      }
    },
  };
}

export const runTimeCases: readonly RunStoreCaseBody[] = [
  {
    name: 'a lease becomes shorter and ends by the clock of the store, on every handle',
    async run(bench) {
      const other = await bench.open();
      await bench.write('long', { leaseMs: 60_000 });
      await bench.write('short', { leaseMs: SHORT_MS });
      const before = await bench.loaded('long');
      const short = await bench.loaded('short');
      assert.ok(short.leaseLeftMs <= SHORT_MS, `${short.leaseLeftMs} ms are left`);
      await bench.pass(2 * SHORT_MS);
      for (const store of [bench.store, other]) {
        const after = await bench.loaded('long', store);
        const elapsed = after.now - before.now;
        assert.ok(elapsed >= SHORT_MS, `the clock of the store has advanced by ${elapsed} ms`);
        const difference = before.leaseLeftMs - after.leaseLeftMs - elapsed;
        assert.ok(Math.abs(difference) <= 5, 'the lease becomes shorter as the clock advances');
        const { leaseLeftMs } = await bench.loaded('short', store);
        assert.ok(leaseLeftMs <= 0, `${leaseLeftMs} ms of a lease of ${SHORT_MS} ms are left`);
      }
    },
  },
  {
    name: 'the clock of the store is in milliseconds since 1970',
    async run(bench) {
      await bench.write('k', {});
      const { now } = await bench.loaded('k');
      assert.ok(now > Date.UTC(2025, 0) && now < Date.UTC(2100, 0), `${now}`);
    },
  },
  {
    name: 'every commit gives the record a new lease and a new time to keep',
    async run(bench) {
      let expected: number | undefined;
      for (let n = 0; n < 4; n += 1) {
        // A store that is slow by as much as this would need longer times.
        expected = await bench.write('k', { expected, leaseMs: 10 * SHORT_MS, keepMs: 10 * SHORT_MS });
        await bench.pass(4 * SHORT_MS);
        const { leaseLeftMs } = await bench.loaded('k');
        assert.ok(leaseLeftMs > 0 && leaseLeftMs <= 6 * SHORT_MS, `${leaseLeftMs} ms are left`);
      }
      // Times may become shorter.
      await bench.write('k', { expected: expected!, leaseMs: 0, keepMs: LONG_MS });
      assert.ok((await bench.loaded('k')).leaseLeftMs <= 0);
    },
  },
  {
    name: 'a record whose lease has ended is kept and can be changed',
    async run(bench) {
      const expected = await bench.write('k', { leaseMs: 0, state: '"first"' });
      await bench.pass(SHORT_MS);
      const record = await bench.loaded('k');
      assert.deepEqual([record.version, record.state], [expected, '"first"']);
      await bench.write('k', { expected, state: '"second"', leaseMs: 60_000 });
      assert.ok((await bench.loaded('k')).leaseLeftMs > 30_000, 'the record has a new lease');
    },
  },
  {
    name: 'a record is deleted after keepMs, on every handle',
    async run(bench) {
      const other = await bench.open();
      const append = { run: 'a', after: 0, events: eventsOf(2) };
      const expected = await bench.write('gone', { keepMs: SHORT_MS / 2, append });
      await bench.write('kept', {});
      await bench.pass(SHORT_MS);
      for (const store of [bench.store, other]) {
        assert.deepEqual(await bench.list('', store), ['kept']);
        assert.equal(await bench.load('gone', store), undefined);
        assert.deepEqual(await bench.read('gone', 'a', 0, {}, store), []);
        const [gone, kept] = await bench.versions(['gone', 'kept'], store);
        assert.deepEqual([gone, kept === undefined], [undefined, false]);
        assert.equal(await bench.commit('gone', changeOf({ expected }), store), undefined);
      }
      assert.equal(await bench.load('gone'), undefined, 'a refused commit makes no record');
    },
  },
  {
    name: 'a record can be made again after its deletion, and has nothing of the former one',
    async run(bench) {
      const append = { run: 'a', after: 0, events: eventsOf(2) };
      await bench.write('k', { state: '"former"', count: 2, keepMs: SHORT_MS / 2, append });
      await bench.untilGone('k');
      const version = await bench.write('k', { state: '"new"' }, await bench.open());
      const record = await bench.loaded('k');
      assert.deepEqual([record.version, record.state, record.count], [version, '"new"', 0]);
      assert.deepEqual(await bench.read('k', 'a'), []);
      assert.deepEqual([await bench.versions(['k']), await bench.list('')], [[version], ['k']]);
      assert.equal(await bench.commit('k', changeOf({})), undefined);
    },
  },
  {
    name: 'many records are deleted at their times, and the others stay',
    async run(bench) {
      const keys = Array.from({ length: 100 }, (_, n) => `key ${n}`);
      const append = { run: 'a', after: 0, events: eventsOf(20) };
      await bench.all(
        keys.map((key, n) =>
          bench.store.commit(key, changeOf({ keepMs: n % 3 === 0 ? LONG_MS : SHORT_MS / 2, append })),
        ),
      );
      await bench.pass(SHORT_MS);
      // A store may delete in steps, with later calls.
      for (let n = 0; n < 20; n += 1) {
        await bench.write(`later ${n}`, {});
        await bench.pass(20);
      }
      const kept = keys.filter((_, n) => n % 3 === 0);
      assert.deepEqual(await bench.list('key '), kept.toSorted());
      for (const key of kept) assert.deepEqual(await bench.read(key, 'a'), eventsOf(20));
    },
  },
  {
    name: 'a lease and a time to keep may last 90 days',
    async run(bench) {
      await bench.write('k', { leaseMs: 90 * DAY_MS, keepMs: 90 * DAY_MS });
      const { leaseLeftMs } = await bench.loaded('k');
      assert.ok(leaseLeftMs > 89 * DAY_MS && leaseLeftMs <= 90 * DAY_MS, `${leaseLeftMs} ms are left`);
    },
  },
  {
    name: 'a lease and a time to keep may have fractions of a millisecond',
    async run(bench) {
      await bench.write('k', { leaseMs: 60_000 / 7, keepMs: 600_000 / 7 });
      assert.ok((await bench.loaded('k')).leaseLeftMs <= 60_000 / 7 + 1);
    },
  },
  ...SKEWS.map(skewed),
];
