/** Contract of a store of runs: what outlives a handle, and what a closed one does. */
import assert from 'node:assert/strict';
import { callsOf, changeOf, eventsOf, hasCode, type RunStoreCaseBody } from './run-store-bench.ts';

export const runStoreEndCases: readonly RunStoreCaseBody[] = [
  {
    name: 'a store that is opened again has the same records, leases and events',
    needs: ['persistent'],
    async run(bench) {
      const append = { run: 'a', after: 0, events: eventsOf(5) };
      const version = await bench.write('k', { state: '"kept"', count: 5, leaseMs: 60_000, append });
      const before = await bench.loaded('k');
      await bench.close(bench.store);
      const store = await bench.open();
      const after = await bench.loaded('k', store);
      assert.deepEqual([after.version, after.state, after.count], [version, '"kept"', 5]);
      const difference = before.leaseLeftMs - after.leaseLeftMs - (after.now - before.now);
      assert.ok(Math.abs(difference) <= 5, 'the lease ends at the same time');
      assert.deepEqual(await bench.read('k', 'a', 0, {}, store), eventsOf(5));
      assert.deepEqual([await bench.list('', store), await bench.versions(['k'], store)], [['k'], [version]]);
      await bench.write('k', { expected: version }, store);
    },
  },
  {
    name: 'a version never repeats after its record was deleted and the store was opened again',
    needs: ['persistent'],
    async run(bench) {
      const former = [await bench.write('k', {})];
      for (let n = 0; n < 5; n += 1)
        former.push(await bench.write('k', { expected: former.at(-1)!, keepMs: 150 }));
      await bench.untilGone('k');
      await bench.close(bench.store);
      const store = await bench.open();
      const later = [await bench.write('k', {}, store)];
      for (let n = 0; n < 8; n += 1) later.push(await bench.write('k', { expected: later.at(-1)! }, store));
      assert.deepEqual(
        later.filter((version) => former.includes(version)),
        [],
      );
    },
  },
  {
    name: 'a store that closes finishes the commits that wait',
    needs: ['persistent'],
    async run(bench) {
      const commits = Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          bench.store.commit(`key ${n}`, changeOf({ append: { run: 'a', after: 0, events: [`${n}`] } })),
        ),
      );
      commits.catch(() => undefined);
      await bench.close(bench.store);
      assert.ok((await bench.finish(commits)).every((version) => version !== undefined));
      const store = await bench.open();
      assert.equal((await bench.list('', store)).length, 20);
      assert.deepEqual(await bench.read('key 19', 'a', 0, {}, store), ['19']);
    },
  },
  {
    name: 'a closed store refuses each call with the code closed, and may be closed again',
    needs: ['persistent'],
    async run(bench) {
      const { store } = bench;
      const expected = await bench.write('k', {});
      await bench.close(store);
      for (const call of callsOf(store, expected))
        await assert.rejects(async () => await bench.finish(call()), hasCode('closed'));
      await bench.finish(store.close());
    },
  },
  {
    name: 'a closed handle does not affect another one',
    needs: ['persistent'],
    async run(bench) {
      const other = await bench.open();
      const expected = await bench.write('k', {});
      await bench.close(bench.store);
      await bench.write('k', { expected, state: '"later"' }, other);
      assert.equal((await bench.loaded('k', other)).state, '"later"');
    },
  },
];
