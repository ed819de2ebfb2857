/** Contract of a log: events that the server lost. Readers are told, and no cursor of a lost event means another one. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { Log, ReadPage } from '../log/log.ts';
import type { LogBench, LogCaseBody } from './log-bench.ts';
import { assertCovered, entryOf, numbers, valuesOf } from './log-checks.ts';

interface Lost {
  /** The epoch before the loss. */
  readonly epoch: string;
  readonly kept: Position;
  readonly positions: readonly Position[];
}

/** Appends one event that stays, and three that the server will lose. */
async function addAndLose(bench: LogBench, lose: (to: Position) => Promise<void>): Promise<Lost> {
  const { epoch } = bench.log;
  const kept = await bench.add('a', 'kept');
  const positions = [];
  for (const n of numbers(3)) positions.push(await bench.add('a', `lost ${n}`));
  await lose(kept);
  return { epoch, kept, positions };
}

/** No handle gives a lost position to another event: it has another epoch, other positions, and knows the difference. */
async function assertUnambiguous(
  bench: LogBench,
  log: Log,
  { epoch, positions }: Omit<Lost, 'kept'>,
): Promise<void> {
  const page = await bench.read(['a'], {}, log);
  if (page.epoch !== epoch) return;
  const given = page.events.map(({ position }) => position);
  for (const position of positions) {
    assert.ok(!given.includes(position), `the lost position ${position} is that of another event`);
    assert.equal(await bench.finish(log.contains!(position)), false, `contains(${position}) of a lost event`);
  }
}

const AMOUNTS = [
  { count: 1, text: 'fewer events' },
  { count: 3, text: 'as many events' },
  { count: 5, text: 'more events' },
];

function refilled({ count, text }: (typeof AMOUNTS)[number]): LogCaseBody[] {
  return [
    {
      name: `no cursor of a lost event means another event if the log got ${text} before a handle was opened`,
      needs: ['rollBack', 'contains', 'persistent'],
      async run(bench) {
        const lost = await addAndLose(bench, async (to) => {
          await bench.close(bench.log);
          await bench.rollBack(to);
        });
        const fresh = await bench.open();
        for (const n of numbers(count)) await bench.add('a', `new ${n}`, fresh);
        await assertUnambiguous(bench, fresh, lost);
        await assertUnambiguous(bench, await bench.open(), lost);
      },
    },
    {
      name: `a tail is reset if the newest events were rolled back and the log got ${text} since`,
      needs: ['rollBack', 'contains'],
      async run(bench) {
        const following = bench.follow();
        const lost = await addAndLose(bench, async (to) => {
          await bench.until('four events', () => following.events.length === 4);
          await bench.rollBack(to);
        });
        const fresh = await bench.open();
        for (const n of numbers(count)) await bench.add('a', `new ${n}`, fresh);
        await assertUnambiguous(bench, fresh, lost);
        await assertReset(bench, following, fresh, lost.epoch);
        const values = valuesOf((await bench.read(['a'])).events);
        // A new epoch may begin empty: every reader is told.
        const possible = ['kept', ...numbers(count).map((n) => `new ${n}`), 'last'];
        assert.deepEqual(values, possible.slice(-values.length));
      },
    },
    {
      name: `a log that was deleted and got ${text} since resets every tail with a new epoch`,
      needs: ['recreate'],
      async run(bench) {
        const { epoch } = bench.log;
        await bench.addMany(numbers(3).map((n) => entryOf('a', `lost ${n}`)));
        const following = bench.follow();
        await bench.cause('recreate');
        const fresh = await bench.open();
        for (const n of numbers(count)) await bench.add('a', `new ${n}`, fresh);
        await assertReset(bench, following, fresh, epoch);
        const expected = [...numbers(count).map((n) => `new ${n}`), 'last'];
        for (const log of [bench.log, fresh]) {
          assert.deepEqual(valuesOf((await bench.read(['a'], {}, log)).events), expected);
        }
      },
    },
  ];
}

/** The tail is reset to a new epoch, which all handles share, and gets the next event. */
async function assertReset(
  bench: LogBench,
  following: ReturnType<LogBench['follow']>,
  fresh: Log,
  epoch: string,
): Promise<void> {
  await bench.until('the reset', () => following.resets.length > 0);
  // A handle without listeners learns of a new epoch by its next call.
  await bench.position(fresh);
  await bench.until('one epoch', () => bench.log.epoch === fresh.epoch);
  const last = await bench.add('a', 'last', fresh);
  await bench.until('the next event', () => following.through === last);
  assert.equal(following.values.at(-1), 'last');
  assert.ok(following.resets.every(({ reason }) => reason !== 'trimmed'));
  assert.notEqual(following.resets.at(-1)!.epoch, epoch);
  assert.equal(following.resets.at(-1)!.epoch, bench.log.epoch);
}

const LOSSES = [
  { fault: 'rollBack', text: 'a rollback' },
  { fault: 'recreate', text: 'a deletion of the log' },
] as const;

/** The values of a page after a loss. A new epoch may begin empty, so the event that was kept need not be held. */
function newValuesOf({ events }: ReadPage): unknown[] {
  return valuesOf(events).filter((value) => value !== 'kept');
}

function firstToDetect({ fault, text }: (typeof LOSSES)[number]): LogCaseBody[] {
  const lose = async (bench: LogBench, prepare: () => Promise<unknown> = async () => undefined) =>
    await addAndLose(bench, async (to) => {
      await prepare();
      await (fault === 'rollBack' ? bench.rollBack(to) : bench.cause(fault));
    });
  return [
    {
      name: `a page that is the first to detect ${text} has a new epoch and no lost event`,
      needs: [fault],
      async run(bench) {
        const { epoch } = await lose(bench);
        const following = bench.follow();
        let page = await bench.read(['a']);
        while (page.epoch === epoch) {
          assert.equal(page.events.length, 4, 'a page of the old epoch has every event of it');
          await bench.pass(100);
          page = await bench.read(['a']);
        }
        assert.deepEqual(newValuesOf(page), []);
        assert.equal(bench.log.epoch, page.epoch);
        following.close();
      },
    },
    {
      name: `two appends that are the first to detect ${text} agree on one epoch and one order`,
      needs: [fault],
      async run(bench) {
        const other = await bench.open();
        // The other handle must know a lost event, too. Otherwise its append may be first, in the old epoch.
        const { epoch } = await lose(bench, () => bench.position(other));
        const appended = await bench.all(
          [bench.log, other].map((log, index) => log.append([entryOf('a', index)])),
        );
        await bench.until('one epoch', () => bench.log.epoch === other.epoch);
        assert.notEqual(bench.log.epoch, epoch);
        assert.deepEqual(
          appended.map((one) => one.epoch),
          [bench.log.epoch, bench.log.epoch],
        );
        const pages = [await bench.read(['a']), await bench.read(['a'], {}, other)];
        assert.deepEqual(pages[0], pages[1]);
        const order = appended[0]!.position === pages[0]!.events.at(-1)!.position ? [1, 0] : [0, 1];
        assert.deepEqual(newValuesOf(pages[0]!), order);
      },
    },
  ];
}

export const lossCases: readonly LogCaseBody[] = [
  ...AMOUNTS.flatMap(refilled),
  ...LOSSES.flatMap(firstToDetect),
  {
    name: 'an append that is the first to detect a deletion of the log succeeds, in a new epoch',
    needs: ['recreate'],
    async run(bench) {
      const { epoch } = await addAndLose(bench, () => bench.cause('recreate'));
      const next = await bench.append([entryOf('a', 'new')]);
      assert.notEqual(next.epoch, epoch);
      assert.equal(bench.log.epoch, next.epoch);
      const page = await bench.read(['a']);
      assert.deepEqual([page.epoch, valuesOf(page.events)], [next.epoch, ['new']]);
      assert.equal(page.events[0]!.position, next.position);
    },
  },
  {
    name: 'contains() is false for a lost event, and true for one that was kept',
    needs: ['rollBack', 'contains', 'persistent'],
    async run(bench) {
      const { epoch, kept, positions } = await addAndLose(bench, async (to) => {
        await bench.close(bench.log);
        await bench.rollBack(to);
      });
      const fresh = await bench.open();
      if (fresh.epoch !== epoch) return;
      assert.equal(await bench.finish(fresh.contains!(kept)), true);
      for (const position of positions) assert.equal(await bench.finish(fresh.contains!(position)), false);
    },
  },
  {
    name: 'events that the server evicts with a key of the log are not missing without notice',
    needs: ['evictKey'],
    async run(bench) {
      const { epoch } = bench.log;
      const following = bench.follow();
      const positions = new Map<string, Position[]>([
        ['a', []],
        ['b', []],
      ]);
      for (const n of numbers(6)) {
        const address = n % 3 === 0 ? 'b' : 'a';
        positions.get(address)!.push(await bench.add(address, n));
      }
      await bench.append([entryOf('p', 'value', 'latest')]);
      await bench.cause('evictKey');
      const check = async (log: Log): Promise<void> => {
        const page = await bench.read(['a', 'b', 'p'], {}, log);
        if (page.epoch !== epoch) return;
        for (const [address, given] of positions) assertCovered(page, address, given);
        assert.ok(
          page.evictedThrough.has('p') || page.events.some(({ address }) => address === 'p'),
          'a value is held, or reported as evicted',
        );
      };
      await check(bench.log);
      const next = await bench.append([entryOf('a', 7)]);
      if (next.epoch === epoch) positions.get('a')!.push(next.position);
      await check(bench.log);
      await check(await bench.open());
      await bench.until('the next event, or a reset', () => {
        return following.resets.length > 0 || following.values.at(-1) === 7;
      });
    },
  },
  {
    name: 'contains() is true for every event that the log holds or has superseded, on every handle',
    needs: ['contains'],
    async run(bench) {
      const other = await bench.open();
      const given: Position[] = [BEGINNING];
      for (const n of numbers(5))
        given.push(await bench.add(`a${n % 2}`, n, n % 2 === 0 ? bench.log : other));
      for (const n of numbers(2)) given.push((await bench.append([entryOf('p', n, 'latest')])).position);
      await bench.append([entryOf('a', 1), entryOf('b', 2), entryOf('c', 3)]);
      given.push(...(await bench.read(['a', 'b', 'c'])).events.map(({ position }) => position));
      for (const log of [bench.log, other, await bench.open()]) {
        for (const position of given) {
          assert.equal(await bench.finish(log.contains!(position)), true, `contains(${position})`);
        }
      }
    },
  },
  {
    name: 'contains() is false for a position past the newest event',
    needs: ['contains'],
    async run(bench) {
      assert.equal(await bench.finish(bench.log.contains!('1zzzz')), false);
      const newest = await bench.add('a', 1);
      const past = `${newest}0`;
      assert.ok(comparePositions(past, newest) > 0);
      assert.equal(await bench.finish(bench.log.contains!(past)), false);
    },
  },
];
