/** Contract of a log: following the tail, from history to live, rollback. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions } from '@linefeed/shared/wire';
import type { LogCaseBody } from './log-bench.ts';
import { entryOf, numbers, valuesOf } from './log-checks.ts';

export const tailCases: readonly LogCaseBody[] = [
  {
    name: 'a tail starts at the newest event and receives later events',
    async run(bench) {
      const before = await bench.add('a', 1);
      const following = bench.follow();
      assert.equal(following.start, before);
      await bench.add('a', 2);
      const last = await bench.add('b', 3);
      await bench.until('both events', () => following.through === last);
      assert.deepEqual(following.values, [2, 3]);
      assert.deepEqual(
        following.events.map(({ prev }) => prev),
        [before, BEGINNING],
      );
      assert.deepEqual([following.resets, following.errors], [[], []]);
    },
  },
  {
    name: 'every handle receives every append, in one order',
    async run(bench) {
      const other = await bench.open();
      const followings = [bench.follow(), bench.follow(other)];
      const appends = numbers(60).flatMap((n) => [
        bench.log.append([entryOf('a', { by: 1, n })]),
        other.append([entryOf('b', { by: 2, n })]),
      ]);
      await bench.all(appends);
      await bench.until('120 events', () => followings.every(({ events }) => events.length === 120));
      const [one, two] = followings.map(({ events }) => events.map(({ position }) => position));
      assert.deepEqual(one, two);
      const { events } = await bench.read(['a', 'b']);
      assert.deepEqual(
        events.map(({ position }) => position),
        one,
      );
    },
  },
  {
    name: 'a tail that lags by 3,000 events receives all of them in order',
    async run(bench) {
      const other = await bench.open();
      const following = bench.follow(other);
      const newest = await bench.addMany(numbers(3_000).map((n) => entryOf(`a${n % 5}`, n)));
      await bench.until('3,000 events', () => following.through === newest);
      assert.deepEqual(following.values, numbers(3_000));
    },
  },
  {
    name: 'the position of a tail moves past values that were superseded before delivery',
    async run(bench) {
      const other = await bench.open();
      const following = bench.follow(other);
      const newest = await bench.addMany(numbers(50).map((n) => entryOf('p', n, 'latest')));
      await bench.until('the newest value', () => following.through === newest);
      assert.equal(following.values.at(-1), 50);
      assert.deepEqual(following.resets, []);
    },
  },
  {
    name: 'a closed tail receives no more events, but other tails do',
    async run(bench) {
      const [closed, open] = [bench.follow(), bench.follow()];
      await bench.add('a', 1);
      await bench.until('the first event', () => closed.events.length === 1 && open.events.length === 1);
      closed.close();
      await bench.add('a', 2);
      await bench.until('the second event', () => open.events.length === 2);
      assert.deepEqual(closed.values, [1]);
    },
  },
  {
    name: 'a new tail works after another tail was closed',
    async run(bench) {
      bench.follow().close();
      const between = await bench.add('a', 1);
      const following = bench.follow();
      assert.equal(following.start, between);
      await bench.add('a', 2);
      await bench.until('the event', () => following.events.length === 1);
      assert.deepEqual(following.values, [2]);
    },
  },
  {
    name: 'a listener that appends does not change the order of events',
    async run(bench) {
      const appends: Array<ReturnType<typeof bench.log.append>> = [];
      bench.log.tail({
        onEvents(events) {
          for (const { data } of events) {
            if (Number(data) < 5) appends.push(bench.log.append([entryOf('a', Number(data) + 1)]));
          }
        },
        onReset: () => undefined,
        onError: () => undefined,
      });
      const following = bench.follow();
      await bench.add('a', 1);
      await bench.until('five events', () => following.events.length === 5);
      assert.deepEqual(following.values, numbers(5));
      await bench.all(appends);
    },
  },
  {
    name: 'a listener that throws receives its error, and other listeners are not affected',
    async run(bench) {
      const errors: unknown[] = [];
      const fault = new Error('a fault of the listener');
      bench.log.tail({
        onEvents() {
          throw fault;
        },
        onReset: () => undefined,
        onError: (error) => errors.push(error),
      });
      const following = bench.follow();
      await bench.add('a', 1);
      await bench.until('the event', () => following.events.length === 1 && errors.length > 0);
      assert.deepEqual(errors, [fault]);
    },
  },
  {
    name: 'pages lead to the tail without a gap or a repeat during concurrent appends',
    async run(bench) {
      const writer = await bench.open();
      await bench.addMany(numbers(100).map((n) => entryOf('a', n)));
      const live = bench.follow();
      const seen: unknown[] = [];
      let after = BEGINNING;
      let next = 101;
      // The replay ends at the page that reaches the tail's position.
      do {
        await bench.add('a', next++, writer);
        const page = await bench.read(['a'], { after, limit: 30 });
        seen.push(...valuesOf(page.events));
        after = page.through;
      } while (comparePositions(after, live.through) < 0);
      const last = await bench.add('a', next, writer);
      await bench.until('the last event', () => live.through === last);
      seen.push(...valuesOf(live.events.filter(({ position }) => comparePositions(position, after) > 0)));
      assert.deepEqual(seen, numbers(next));
    },
  },
  {
    name: 'a tail is reset if events were evicted before it received them',
    bounds: { maxEvents: 8 },
    async run(bench) {
      const other = await bench.open();
      const following = bench.follow(other);
      const newest = await bench.addMany(numbers(100 + bench.slack).map((n) => entryOf('a', n)));
      await bench.until('the tail', () => following.through === newest);
      if (following.resets.length === 0) assert.deepEqual(following.values, numbers(100 + bench.slack));
      else assert.equal(following.resets[0]!.reason, 'trimmed');
    },
  },
  {
    name: 'a rollback resets every tail with a new epoch, so an old cursor never means a new event',
    needs: ['rollBack'],
    async run(bench) {
      const other = await bench.open();
      const { epoch } = bench.log;
      const kept = await bench.add('a', 1);
      // A handle over a network knows the newest event from its own calls only.
      await bench.position(other);
      const followings = [bench.follow(), bench.follow(other)];
      await bench.addMany([entryOf('a', 2), entryOf('a', 3)]);
      await bench.until('both events', () => followings.every(({ events }) => events.length === 2));
      await bench.rollBack(kept);
      await bench.until('the reset', () => followings.every(({ resets }) => resets.length > 0));
      for (const { resets } of followings) {
        assert.deepEqual(
          resets.map(({ reason }) => reason),
          ['rollback'],
        );
        assert.notEqual(resets[0]!.epoch, epoch);
      }
      assert.equal(other.epoch, bench.log.epoch);
      assert.equal((await bench.read(['a'])).epoch, bench.log.epoch);
      const next = await bench.add('a', 'new');
      await bench.until('the new event', () => followings.every(({ through }) => through === next));
      for (const { values } of followings) assert.deepEqual(values, [2, 3, 'new']);
    },
  },
  {
    name: 'an answer that was requested before a rollback matches the epoch that it names',
    needs: ['rollBack'],
    async run(bench) {
      const { log } = bench;
      const { epoch } = log;
      const kept = await bench.add('a', 1);
      const newest = await bench.addMany([entryOf('a', 2), entryOf('a', 3)]);
      const following = bench.follow();
      // The call is made now. An asynchronous log may answer after the rollback.
      const asking = log.newest();
      const reading = bench.read(['a']);
      await bench.rollBack(kept);
      const told = await bench.finish(asking);
      const page = await reading;
      if (told.epoch === epoch) assert.equal(told.position, newest);
      if (page.epoch === epoch) assert.deepEqual(valuesOf(page.events), [1, 2, 3]);
      else assert.ok(!valuesOf(page.events).includes(3), 'a page of the new numbering has no lost event');
      await bench.until('the reset', () => following.resets.length > 0);
      // Results of calls from here on belong to the numbering of the reset.
      const [reset] = following.resets;
      assert.equal(reset!.epoch, log.epoch);
      assert.equal(await bench.position(), reset!.position);
      const { epoch: epochOfPage, through } = await bench.read(['a']);
      assert.deepEqual([epochOfPage, through], [reset!.epoch, reset!.position]);
    },
  },
  {
    name: 'an append that is the first to detect a rollback succeeds',
    needs: ['rollBack'],
    async run(bench) {
      const kept = await bench.add('a', 1);
      await bench.add('a', 2);
      const { epoch } = bench.log;
      await bench.rollBack(kept);
      const next = await bench.add('a', 'new');
      assert.notEqual(bench.log.epoch, epoch);
      const page = await bench.read(['a']);
      assert.equal(page.epoch, bench.log.epoch);
      assert.deepEqual([valuesOf(page.events).at(-1), page.events.at(-1)!.position], ['new', next]);
    },
  },
];
