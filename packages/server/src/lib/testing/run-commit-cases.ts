/** Contract of a store of runs: commits by compare-and-set, and the versions of records. */
import assert from 'node:assert/strict';
import type { RecordChange, RunStore } from '../runs/run-store.ts';
import {
  changeOf,
  eventsOf,
  LONG_MS,
  SHORT_MS,
  type RunStoreBench,
  type RunStoreCaseBody,
} from './run-store-bench.ts';

const WRITERS = 50;

/** Everything of a record that a refused commit could change. */
async function snapshot(bench: RunStoreBench, key: string): Promise<unknown> {
  const { version, state, count } = await bench.loaded(key);
  return { version, state, count, a: await bench.read(key, 'a'), b: await bench.read(key, 'b') };
}

/** A change of everything. It makes the record short-lived: a case notices if it was performed. */
const HARMFUL: Partial<RecordChange> = {
  state: '"changed"',
  count: 9,
  leaseMs: 0,
  keepMs: SHORT_MS,
  append: { run: 'a', after: 2, events: eventsOf(3, 3) },
  drop: ['b'],
};

async function assertRefused(bench: RunStoreBench, expected: number | undefined): Promise<void> {
  const before = await snapshot(bench, 'k');
  assert.equal(await bench.commit('k', changeOf({ ...HARMFUL, expected })), undefined);
  assert.deepEqual(await snapshot(bench, 'k'), before);
  await bench.pass(2 * SHORT_MS);
  assert.deepEqual(await snapshot(bench, 'k'), before);
  assert.ok((await bench.loaded('k')).leaseLeftMs > LONG_MS / 2, 'the lease is that of the last commit');
}

/** A record with the runs `a` and `b`, of two events each. */
async function prepare(bench: RunStoreBench): Promise<number> {
  const expected = await bench.write('k', { count: 2, append: { run: 'b', after: 0, events: eventsOf(2) } });
  return await bench.write('k', { expected, count: 2, append: { run: 'a', after: 0, events: eventsOf(2) } });
}

/** Makes many commits at once, in turns by each handle. Returns the performed ones. */
async function race(
  bench: RunStoreBench,
  handles: readonly RunStore[],
  expected: number | undefined,
): Promise<Array<{ index: number; version: number }>> {
  const versions = await bench.all(
    Array.from({ length: WRITERS }, (_, index) =>
      handles[index % handles.length]!.commit(
        'k',
        changeOf({
          expected,
          state: `{"by":${index}}`,
          count: 1,
          append: { run: `${expected} ${index}`, after: 0, events: [`${index}`] },
        }),
      ),
    ),
  );
  return versions.flatMap((version, index) => (version === undefined ? [] : [{ index, version }]));
}

async function assertOneWins(
  bench: RunStoreBench,
  handles: readonly RunStore[],
  expected: number | undefined,
): Promise<number> {
  const winners = await race(bench, handles, expected);
  assert.equal(winners.length, 1, `${winners.length} of ${WRITERS} commits were performed`);
  const { index, version } = winners[0]!;
  for (const store of handles) {
    const record = await bench.loaded('k', store);
    assert.deepEqual([record.version, record.state], [version, `{"by":${index}}`]);
    for (const loser of [(index + 1) % WRITERS, (index + 2) % WRITERS])
      assert.deepEqual(await bench.read('k', `${expected} ${loser}`, 0, {}, store), []);
    assert.deepEqual(await bench.read('k', `${expected} ${index}`, 0, {}, store), [`${index}`]);
  }
  return version;
}

export const runCommitCases: readonly RunStoreCaseBody[] = [
  {
    name: 'a key without a record has no version, no events, and is not listed',
    async run(bench) {
      assert.equal(await bench.load('k'), undefined);
      assert.deepEqual(await bench.versions(['k']), [undefined]);
      assert.deepEqual(await bench.read('k', 'a'), []);
      assert.deepEqual(await bench.list(''), []);
    },
  },
  {
    name: 'a new record has its state, count, lease and a positive version on every handle',
    async run(bench) {
      const version = await bench.write('k', { state: '{"of":"core"}', count: 3, leaseMs: 60_000 });
      assert.ok(Number.isSafeInteger(version) && version > 0, 'a version is a positive integer');
      for (const store of [bench.store, await bench.open()]) {
        const record = await bench.loaded('k', store);
        assert.deepEqual([record.version, record.state, record.count], [version, '{"of":"core"}', 3]);
        assert.ok(
          record.leaseLeftMs > 30_000 && record.leaseLeftMs <= 60_000,
          `${record.leaseLeftMs} ms left`,
        );
      }
    },
  },
  {
    name: 'a commit that expects no record is refused if there is one, and changes nothing',
    async run(bench) {
      await prepare(bench);
      await assertRefused(bench, undefined);
    },
  },
  {
    name: 'a commit that expects a version is refused if there is no record, and makes none',
    async run(bench) {
      assert.equal(await bench.commit('k', changeOf({ ...HARMFUL, expected: 1 })), undefined);
      assert.equal(await bench.load('k'), undefined);
      assert.deepEqual(await bench.read('k', 'a'), []);
    },
  },
  {
    name: 'a commit with the present version is performed, and a greater version follows',
    async run(bench) {
      const other = await bench.open();
      let expected = await bench.write('k', {});
      for (const [n, store] of [bench.store, other, other, bench.store].entries()) {
        const version = await bench.write('k', { expected, state: `${n}`, count: n }, store);
        assert.ok(version > expected, `${version} is greater than ${expected}`);
        for (const reader of [bench.store, other]) {
          const record = await bench.loaded('k', reader);
          assert.deepEqual([record.version, record.state, record.count], [version, `${n}`, n]);
        }
        expected = version;
      }
    },
  },
  {
    name: 'a commit with a former version is refused and changes nothing',
    async run(bench) {
      const former = await prepare(bench);
      await bench.write('k', { expected: former, count: 2 });
      await assertRefused(bench, former);
    },
  },
  {
    name: 'a commit with a later version than the present one is refused and changes nothing',
    async run(bench) {
      await assertRefused(bench, (await prepare(bench)) + 1);
    },
  },
  {
    name: 'a commit without a state keeps the state',
    async run(bench) {
      let expected = await bench.write('k', { state: '{"first":1}' });
      expected = await bench.write('k', { expected, count: 5 });
      assert.equal((await bench.loaded('k')).state, '{"first":1}');
      await bench.write('k', { expected, state: '' });
      assert.equal((await bench.loaded('k')).state, '', 'an empty text is a state');
    },
  },
  {
    name: 'of 50 commits at once with one version, one is performed',
    async run(bench) {
      let expected: number = await bench.write('k', {});
      for (const handles of [[bench.store], [bench.store, await bench.open()]])
        expected = await assertOneWins(bench, handles, expected);
    },
  },
  {
    name: 'of 50 commits at once that expect no record, one makes it',
    async run(bench) {
      await assertOneWins(bench, [bench.store, await bench.open()], undefined);
    },
  },
  {
    name: 'writers on two handles that load, commit and try again lose no change',
    async run(bench) {
      const handles = [bench.store, await bench.open()];
      const add = (record: { state: string } | undefined) => ({ state: `${Number(record?.state ?? 0) + 1}` });
      await bench.all(
        Array.from({ length: 10 }, async (_, index) => {
          for (let turn = 0; turn < 5; turn += 1) await bench.update('k', add, handles[index % 2]);
        }),
      );
      assert.equal((await bench.loaded('k')).state, '50');
    },
  },
  {
    name: 'commits at once of many keys are performed, and a refused one among them changes no other',
    async run(bench) {
      await bench.write('key 7', { state: '"old"' });
      const keys = Array.from({ length: 200 }, (_, n) => `key ${n}`);
      const append = { run: 'a', after: 0, events: ['1'] };
      const versions = await bench.all(
        keys.map((key) => bench.store.commit(key, changeOf({ state: '"new"', append }))),
      );
      assert.deepEqual(
        keys.filter((_, index) => versions[index] === undefined),
        ['key 7'],
      );
      for (const key of ['key 6', 'key 7', 'key 8', 'key 199']) {
        const isOld = key === 'key 7';
        assert.equal((await bench.loaded(key)).state, isOld ? '"old"' : '"new"');
        assert.deepEqual(await bench.read(key, 'a'), isOld ? [] : ['1']);
      }
    },
  },
  {
    name: 'a commit that is repeated, because its outcome was unknown, is refused and appends nothing',
    async run(bench) {
      const expected = await bench.write('k', {});
      const change = changeOf({ expected, count: 2, append: { run: 'a', after: 0, events: eventsOf(2) } });
      const version = await bench.write('k', change);
      for (const store of [bench.store, await bench.open()])
        assert.equal(await bench.commit('k', change, store), undefined);
      assert.equal((await bench.loaded('k')).version, version);
      assert.deepEqual(await bench.read('k', 'a'), eventsOf(2));
    },
  },
  {
    name: 'a version never repeats after its record was deleted and made again',
    async run(bench) {
      const other = await bench.open();
      const former = [await bench.write('k', {})];
      for (let n = 0; n < 10; n += 1) former.push(await bench.write('k', { expected: former.at(-1)! }));
      former.push(await bench.write('k', { expected: former.at(-1)!, keepMs: SHORT_MS / 2 }));
      await bench.untilGone('k');
      const later = [await bench.write('k', {}, other)];
      for (let n = 0; n < 15; n += 1) later.push(await bench.write('k', { expected: later.at(-1)! }, other));
      assert.deepEqual(
        later.filter((version) => former.includes(version)),
        [],
      );
      for (const expected of former)
        assert.equal(await bench.commit('k', changeOf({ expected, state: '"late"' })), undefined);
      assert.equal((await bench.loaded('k')).state, '{}');
    },
  },
  {
    name: 'keys are compared by their exact text',
    async run(bench) {
      // The last two are one letter, composed and decomposed.
      const keys = [
        'a',
        'A',
        'a ',
        ' a',
        'a/',
        'ab',
        '',
        'a%',
        'a_',
        'a:b',
        'a?b=%20',
        '日本',
        '🙂',
        '\u00e9',
        'e\u0301',
      ];
      for (const [index, key] of keys.entries()) await bench.write(key, { state: `${index}` });
      for (const [index, key] of keys.entries()) assert.equal((await bench.loaded(key)).state, `${index}`);
      assert.deepEqual(await bench.list(''), keys.toSorted());
    },
  },
];
