/** Contract of a log: appending, numbering, idempotency, several writers. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions } from '@linefeed/shared/wire';
import type { LogCaseBody } from './log-bench.ts';
import { entryOf, hasCode, numbers, valuesOf } from './log-checks.ts';

export const appendCases: readonly LogCaseBody[] = [
  {
    name: 'an empty log has position 0',
    async run(bench) {
      assert.equal(await bench.position(), BEGINNING);
      const page = await bench.read(['a']);
      assert.deepEqual([page.events, page.through, page.evictedThrough.size], [[], BEGINNING, 0]);
    },
  },
  {
    name: 'positions increase with every append, across all addresses',
    async run(bench) {
      const positions = [];
      for (const address of ['a', 'b', 'a', 'c']) positions.push(await bench.add(address, positions.length));
      assert.deepEqual([...positions].toSorted(comparePositions), positions);
      assert.equal(new Set(positions).size, 4);
      assert.equal(await bench.position(), positions[3]);
      const page = await bench.read(['a', 'b', 'c']);
      assert.deepEqual(
        page.events.map(({ position }) => position),
        positions,
      );
      assert.deepEqual(
        page.events.map(({ address }) => address),
        ['a', 'b', 'a', 'c'],
      );
    },
  },
  {
    name: 'positions stay in order past one, two and three digits',
    async run(bench) {
      await bench.addMany(numbers(1400).map((n) => entryOf('a', n)));
      assert.deepEqual(valuesOf(await bench.readAll(['a'])), numbers(1400));
    },
  },
  {
    name: 'concurrent appends take effect in the order of their calls',
    async run(bench) {
      const appends = numbers(50).map((n) => bench.log.append([entryOf('a', n)]));
      const positions = (await bench.all(appends)).map(({ position }) => position);
      assert.deepEqual([...positions].toSorted(comparePositions), positions);
      assert.deepEqual(valuesOf((await bench.read(['a'])).events), numbers(50));
    },
  },
  {
    name: 'entries of one append keep their order, and the result has the position of the last one',
    async run(bench) {
      const appended = await bench.append([entryOf('a', 1), entryOf('b', 2), entryOf('a', 3)]);
      const { epoch, position, duplicate } = appended;
      assert.deepEqual([epoch, duplicate], [bench.log.epoch, false]);
      const { events } = await bench.read(['a', 'b']);
      assert.deepEqual(valuesOf(events), [1, 2, 3]);
      assert.equal(events[2]!.position, position);
    },
  },
  {
    name: 'payloads and addresses are read back unchanged',
    async run(bench) {
      const values = [
        '',
        'ünï 🜚 "quoted" \\ \n\r\0 \u2028',
        { deep: [null, true, 1.5, { x: {} }] },
        'x'.repeat(100_000),
      ];
      const address = 'price?symbol=A%26B&%F0%9F%9C%9A=1';
      for (const value of values) await bench.add(address, value);
      const { events } = await bench.read([address]);
      assert.deepEqual(valuesOf(events), values);
      assert.ok(events.every((event) => event.address === address));
    },
  },
  {
    name: 'prev of an event is the position of the previous event of its address, or 0 for the first',
    async run(bench) {
      const first = await bench.add('a', 1);
      const other = await bench.add('b', 2);
      const [second, third] =
        (await bench.append([entryOf('a', 3), entryOf('a', 4)]), (await bench.read(['a'])).events.slice(1));
      assert.deepEqual(
        (await bench.read(['a'])).events.map(({ prev }) => prev),
        [BEGINNING, first, second!.position],
      );
      assert.ok(comparePositions(third!.position, other) > 0);
      assert.deepEqual(
        (await bench.read(['b'])).events.map(({ prev }) => prev),
        [BEGINNING],
      );
    },
  },
  {
    name: 'all handles and pages have one epoch, of 1 to 25 characters of [0-9a-z]',
    async run(bench) {
      const other = await bench.open();
      assert.match(bench.log.epoch, /^[0-9a-z]{1,25}$/);
      assert.equal(other.epoch, bench.log.epoch);
      assert.equal((await bench.read(['a'])).epoch, bench.log.epoch);
    },
  },
  {
    name: 'a repeated idempotency key appends nothing and returns the first position',
    async run(bench) {
      const first = await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      await bench.add('a', 2);
      const again = await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      assert.deepEqual([first.duplicate, again.duplicate], [false, true]);
      assert.equal(again.position, first.position);
      assert.deepEqual(valuesOf((await bench.read(['a'])).events), [1, 2]);
    },
  },
  {
    name: 'an idempotency key that two handles use at once appends one event',
    async run(bench) {
      const other = await bench.open();
      const both = [bench.log, other].map((log) => log.append([entryOf('a', 1)], { idempotencyKey: 'k' }));
      const [one, two] = await bench.all(both);
      assert.equal(one!.position, two!.position);
      assert.notEqual(one!.duplicate, two!.duplicate);
      assert.equal((await bench.read(['a'])).events.length, 1);
    },
  },
  {
    name: 'an idempotency key with another payload is a conflict and appends nothing',
    async run(bench) {
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      const conflict = async () => await bench.append([entryOf('a', 2)], { idempotencyKey: 'k' });
      await assert.rejects(conflict, hasCode('idempotency_conflict'));
      assert.deepEqual(valuesOf((await bench.read(['a'])).events), [1]);
    },
  },
  {
    name: 'an idempotency conflict does not affect concurrent appends',
    async run(bench) {
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      const attempt = async (value: number, idempotencyKey?: string) =>
        await bench.log.append([entryOf('a', value)], { idempotencyKey });
      const results = await bench.finish(Promise.allSettled([attempt(2), attempt(3, 'k'), attempt(4)]));
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.deepEqual(valuesOf((await bench.read(['a'])).events), [1, 2, 4]);
    },
  },
  {
    name: 'an idempotency key applies only to its address',
    async run(bench) {
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      const other = await bench.append([entryOf('b', 2)], { idempotencyKey: 'k' });
      assert.equal(other.duplicate, false);
    },
  },
  {
    name: 'an idempotency key with several entries is refused',
    async run(bench) {
      const several = async () =>
        await bench.append([entryOf('a', 1), entryOf('a', 2)], { idempotencyKey: 'k' });
      await assert.rejects(several, hasCode('invalid_option'));
      assert.equal(await bench.position(), BEGINNING);
    },
  },
  {
    name: 'an idempotency key that is not a string, is empty or has more than 256 bytes is refused',
    async run(bench) {
      for (const key of [7, null, {}, '', 'k'.repeat(257), 'ü'.repeat(129)]) {
        const append = async () => await bench.append([entryOf('a', 1)], { idempotencyKey: key as string });
        await assert.rejects(append, hasCode('invalid_option'));
      }
      assert.equal(await bench.position(), BEGINNING);
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'ü'.repeat(128) });
    },
  },
  {
    name: 'an idempotency key is forgotten when its event is evicted',
    bounds: { maxEvents: 4 },
    async run(bench) {
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      await bench.addMany(numbers(4 + bench.slack + 1).map((n) => entryOf('b', n)));
      const again = await bench.append([entryOf('a', 'another')], { idempotencyKey: 'k' });
      assert.equal(again.duplicate, false);
    },
  },
  {
    name: 'an idempotency key is forgotten when its event is too old',
    needs: ['ages'],
    bounds: { maxAgeMs: 60_000 },
    async run(bench) {
      await bench.append([entryOf('a', 1)], { idempotencyKey: 'k' });
      await bench.clock.advance(70_000);
      const again = await bench.append([entryOf('a', 'another')], { idempotencyKey: 'k' });
      assert.equal(again.duplicate, false);
    },
  },
  {
    name: 'two concurrent writers lose no event and keep their own order',
    async run(bench) {
      const other = await bench.open();
      const appends = numbers(200).flatMap((n) => [
        bench.log.append([entryOf('a', { by: 'one', n })]),
        other.append([entryOf('a', { by: 'two', n })]),
      ]);
      const positions = (await bench.all(appends)).map(({ position }) => position);
      assert.equal(new Set(positions).size, 400);
      const values = valuesOf((await bench.read(['a'])).events) as Array<{ by: string; n: number }>;
      for (const writer of ['one', 'two']) {
        assert.deepEqual(
          values.filter(({ by }) => by === writer).map(({ n }) => n),
          numbers(200),
        );
      }
      assert.equal(await bench.position(other), await bench.position());
    },
  },
  {
    name: 'a restarted log has the same epoch, position, events, watermarks and idempotency keys',
    needs: ['persistent'],
    bounds: { maxEvents: 6 },
    async run(bench) {
      await bench.addMany([
        ...numbers(8 + bench.slack).map((n) => entryOf('a', n)),
        entryOf('p', 'value', 'latest'),
      ]);
      const last = (await bench.append([entryOf('b', 1)], { idempotencyKey: 'k' })).position;
      const { epoch } = bench.log;
      const before = await bench.read(['a', 'b', 'p']);
      await bench.close(bench.log);
      const log = await bench.open();
      assert.equal(log.epoch, epoch);
      assert.equal(await bench.position(log), last);
      const page = await bench.read(['a', 'b', 'p'], {}, log);
      assert.deepEqual(page, before);
      assert.ok(page.evictedThrough.has('a'));
      const again = await bench.append([entryOf('b', 1)], { idempotencyKey: 'k' }, log);
      assert.deepEqual(again, { epoch, position: last, duplicate: true });
      const next = await bench.add('b', 2, log);
      assert.ok(comparePositions(next, last) > 0);
      assert.equal((await bench.read(['b'], { after: last }, log)).events[0]!.prev, last);
    },
  },
  {
    name: 'a closing log finishes pending appends and refuses later ones',
    needs: ['persistent'],
    async run(bench) {
      const appends = bench.all(numbers(20).map((n) => bench.log.append([entryOf('a', n)])));
      await bench.close(bench.log);
      assert.equal((await bench.finish(appends)).length, 20);
      await assert.rejects(bench.append([entryOf('a', 21)]), hasCode('closed'));
      const log = await bench.open();
      assert.deepEqual(valuesOf((await bench.read(['a'], {}, log)).events), numbers(20));
    },
  },
];
