/** Contract of a store of runs: the keys of records, their versions, and hints of changes. */
import assert from 'node:assert/strict';
import type { RunStore } from '../runs/run-store.ts';
import { changeOf, type RunStoreBench, type RunStoreCaseBody } from './run-store-bench.ts';

/** Records the hints of a handle. */
function watch(store: RunStore): { keys: string[]; stop: () => void } {
  const keys: string[] = [];
  const stop = store.watch!((key) => keys.push(key));
  return { keys, stop };
}

async function untilHinted(bench: RunStoreBench, keys: readonly string[], key: string): Promise<void> {
  await bench.until(`a hint at ${JSON.stringify(key)}`, () => keys.includes(key));
}

export const runKeyCases: readonly RunStoreCaseBody[] = [
  {
    name: 'a prefix matches only the keys that start with its text',
    async run(bench) {
      const keys = [
        ...[
          'answer',
          'answer?chat=1',
          'answer?chat=10',
          'answers',
          'Answer',
          'other',
          '~principal:u1',
          '~principal:u2',
        ],
        ...['100%', '100%off', '1000', 'a_b', 'a_bc', 'axb', 'a*', 'a*b', 'a?', 'a?b', 'a[b]', 'a[b]c', 'ab'],
        ...[
          'a\\',
          'a\\b',
          "a'b",
          'a"b',
          'a{b}',
          'a^b',
          'a$b',
          'a|b',
          'a.b',
          '日本',
          '日本語',
          '日',
          '🙂',
          '🙂a',
          '👍',
        ],
      ];
      for (const key of keys) await bench.write(key, {});
      const prefixes = [
        ...keys,
        '',
        'answer?chat=',
        '~principal:',
        '100',
        'a[',
        'a',
        'a\\\\',
        'nothing',
        '%',
        '_',
        '*',
      ];
      for (const store of [bench.store, await bench.open()])
        for (const prefix of prefixes) {
          const found = keys.filter((key) => key.startsWith(prefix));
          assert.deepEqual(
            await bench.list(prefix, store),
            found.toSorted(),
            `keys that start with ${prefix}`,
          );
        }
    },
  },
  {
    name: 'a list has each of 1,500 keys once',
    async run(bench) {
      const keys = Array.from({ length: 1_500 }, (_, n) => `job?n=${n}`);
      await bench.all(keys.map((key) => bench.store.commit(key, changeOf({}))));
      await bench.write('other', {});
      assert.deepEqual(await bench.list('job'), keys.toSorted());
    },
  },
  {
    name: 'versions have the order of the keys, and keys may be missing or repeated',
    async run(bench) {
      assert.deepEqual(await bench.versions([]), []);
      const a = await bench.write('a', {});
      let b = await bench.write('b', {});
      for (let n = 0; n < 3; n += 1) b = await bench.write('b', { expected: b });
      for (const store of [bench.store, await bench.open()]) {
        const versions = await bench.versions(['missing', 'b', 'a', 'b', 'A', "it's"], store);
        assert.deepEqual(versions, [undefined, b, a, b, undefined, undefined]);
      }
    },
  },
  {
    name: 'versions and records have every commit that was answered before, on every handle',
    async run(bench) {
      const handles = [bench.store, await bench.open()];
      let expected: number | undefined;
      for (let n = 0; n < 12; n += 1) {
        expected = await bench.write('k', { expected, state: `${n}` }, handles[n % 2]);
        for (const store of handles) {
          assert.deepEqual(await bench.versions(['k', 'other'], store), [expected, undefined]);
          assert.equal((await bench.loaded('k', store)).version, expected);
        }
      }
    },
  },
  {
    name: 'one call returns the versions of 1,000 keys',
    async run(bench) {
      const keys = Array.from({ length: 1_000 }, (_, n) => `job?n=${n}`);
      const written = await bench.all(keys.map((key) => bench.store.commit(key, changeOf({}))));
      for (const store of [bench.store, await bench.open()])
        assert.deepEqual(await bench.versions(keys, store), written);
    },
  },
  {
    name: 'a commit of any handle hints at its key',
    needs: ['watches'],
    async run(bench) {
      const handles = [bench.store, await bench.open()];
      const watches = handles.map(watch);
      for (const [index, key] of ['a', '日本 🙂?x=%20', '~principal:u'].entries())
        for (const store of handles) {
          await bench.finish(bench.update(key, () => ({ state: `${index}` }), store));
          for (const { keys } of watches) {
            await untilHinted(bench, keys, key);
            keys.length = 0;
          }
        }
    },
  },
  {
    name: 'a listener of hints that was stopped is not called, and others are',
    needs: ['watches'],
    async run(bench) {
      const [stopped, other] = [watch(bench.store), watch(bench.store)];
      await bench.write('first', {});
      for (const { keys } of [stopped, other]) await untilHinted(bench, keys, 'first');
      stopped.stop();
      stopped.stop();
      await bench.write('second', {});
      await untilHinted(bench, other.keys, 'second');
      await bench.pass(100);
      assert.ok(!stopped.keys.includes('second'), 'a stopped listener is not called');
    },
  },
];
