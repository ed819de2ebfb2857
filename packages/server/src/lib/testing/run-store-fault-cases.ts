/** Contract of a store of runs: its server restarts or pauses, connections break, answers are lost, data is deleted. */
import assert from 'node:assert/strict';
import type { RunStore, StoredRecord } from '../runs/run-store.ts';
import {
  callsOf,
  changeOf,
  eventsOf,
  isRetryable,
  type RunStoreBench,
  type RunStoreCaseBody,
} from './run-store-bench.ts';
import { DISTURBANCES, type Disturbance } from './disturbances.ts';

/** Changes of each key by each handle. */
const CHANGES = 6;

/** A writer of its own entry in a list, like a caller that looks for its change after an unknown outcome. */
function entry(name: string): (record: StoredRecord | undefined) => object | undefined {
  return (record) => {
    const names = JSON.parse(record?.state ?? '[]') as string[];
    if (names.includes(name)) return undefined;
    const append = { run: 'r', after: names.length, events: [JSON.stringify(name)] };
    return { state: JSON.stringify([...names, name]), count: names.length + 1, append };
  };
}

/** Calls start at different times, so that a fault meets some on each part of their way. */
async function after<T>(bench: RunStoreBench, ms: number, work: () => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => void bench.clock.after(ms, resolve));
  return await work();
}

/** The fault is repeated, and meets calls on their way: not sent yet, sent, performed. */
function duringFault({ fault, text, disturb }: Disturbance): RunStoreCaseBody[] {
  // Turns of the event loop before the fault. The store needs some seconds to notice silence.
  const rounds = fault === 'pause' || fault === 'halfOpen' ? [2] : [0, 1, 2, 4];
  return [
    {
      name: `changes of two handles that are tried again until they succeed happen once if ${text}`,
      needs: [fault],
      async run(bench) {
        const handles = [bench.store, await bench.open()];
        const keys = ['a', 'b', 'c', 'd'];
        const writing = keys.flatMap((key, n) =>
          handles.map((store, index) =>
            after(bench, 7 * (2 * n + index), async () => {
              for (let turn = 0; turn < CHANGES; turn += 1)
                await bench.update(key, entry(`${turn} by ${index}`), store);
            }),
          ),
        );
        const all = Promise.all(writing);
        all.catch(() => undefined);
        for (const round of rounds) {
          await bench.turns(round);
          await disturb(bench);
        }
        await bench.finish(all);
        for (const key of keys)
          for (const store of handles) {
            const { state, count } = await bench.loaded(key, store);
            const names = JSON.parse(state) as string[];
            assert.deepEqual(
              [new Set(names).size, names.length, count],
              [2 * CHANGES, 2 * CHANGES, 2 * CHANGES],
            );
            const events = await bench.read(key, 'r', 0, {}, store);
            assert.deepEqual(
              events,
              names.map((name) => JSON.stringify(name)),
            );
          }
      },
    },
    {
      name: `a commit happens once or not at all, and its answer is true, if ${text}`,
      needs: [fault],
      async run(bench) {
        for (const round of rounds) {
          const keys = Array.from({ length: 8 }, (_, n) => `key ${round}.${n}`);
          const append = { run: 'r', after: 0, events: eventsOf(3) };
          const settling = Promise.allSettled(
            keys.map((key, n) =>
              after(bench, 7 * n, () => bench.store.commit(key, changeOf({ count: 3, append }))),
            ),
          );
          await bench.turns(round);
          await disturb(bench);
          const results = await bench.finish(settling);
          const fresh = await reachable(bench);
          for (const [index, result] of results.entries()) {
            const { record, events } = await settled(bench, keys[index]!, fresh);
            assert.deepEqual(events, record === undefined ? [] : eventsOf(3));
            if (result.status === 'rejected')
              assert.ok(isRetryable(result.reason), `rejected with ${String(result.reason)}`);
            // There is no other writer. A store that repeats a commit by itself must know that the first one happened.
            else assert.ok(record !== undefined && result.value === record.version, 'the answer is true');
          }
        }
      },
    },
  ];
}

/** A record and its events of one moment. A commit whose answer is missing may be performed between two reads. */
async function settled(
  bench: RunStoreBench,
  key: string,
  store: RunStore,
): Promise<{ record: StoredRecord | undefined; events: readonly string[] }> {
  for (let before = await bench.load(key, store); ;) {
    const events = await bench.read(key, 'r', 0, {}, store);
    const record = await bench.load(key, store);
    if (record?.version === before?.version) return { record, events };
    before = record;
  }
}

/** A new handle, after a commit by it has succeeded. */
async function reachable(bench: RunStoreBench): Promise<RunStore> {
  const store = await bench.open();
  await bench.finish(bench.update('probe', () => ({}), store));
  return store;
}

export const runStoreFaultCases: readonly RunStoreCaseBody[] = [
  ...DISTURBANCES.flatMap(duringFault),
  {
    name: 'each call to a server that is away is rejected in time, with a retryable runs_failed',
    needs: ['stop'],
    async run(bench) {
      const expected = await bench.write('k', {});
      const end = await bench.begin('stop');
      for (const call of callsOf(bench.store, expected))
        await assert.rejects(async () => await bench.finish(call()), isRetryable);
      await end();
      await bench.finish(bench.update('k', () => ({ state: '"later"' })));
      assert.equal((await bench.loaded('k')).state, '"later"');
    },
  },
  {
    name: 'each call to a server that answers nothing is rejected in time, with a retryable runs_failed',
    needs: ['pause'],
    async run(bench) {
      const expected = await bench.write('k', {});
      const end = await bench.begin('pause');
      const calls = callsOf(bench.store, expected).map((call) => call());
      const results = await bench.finish(Promise.allSettled(calls));
      for (const result of results)
        assert.ok(
          result.status === 'rejected' && isRetryable(result.reason),
          'rejected while the server pauses',
        );
      await end();
      await bench.finish(bench.update('k', () => ({ state: '"later"' })));
    },
  },
  {
    name: 'hints of changes continue after the connections were reset and became half-open',
    needs: ['watches', 'resetConnections', 'halfOpen'],
    async run(bench) {
      const other = await bench.open();
      const hints: string[] = [];
      const stop = other.watch!((key) => hints.push(key));
      let state = 0;
      const hinted = async (key: string) => {
        // A hint may be lost with its connection: the writer goes on.
        const writing = (async () => {
          while (!hints.includes(key)) {
            await bench.update(key, () => ({ state: `${(state += 1)}` }));
            await new Promise<void>((resolve) => void bench.clock.after(100, resolve));
          }
        })();
        await bench.finish(writing);
      };
      await hinted('first');
      await bench.cause('resetConnections');
      await hinted('after the reset');
      await bench.cause('halfOpen');
      await hinted('after the silence');
      stop();
    },
  },
  {
    name: 'a record of a store whose data was deleted is gone, and its versions never repeat',
    needs: ['recreate'],
    async run(bench) {
      const append = { run: 'a', after: 0, events: eventsOf(2) };
      const former = [await bench.write('k', { append })];
      for (let n = 0; n < 10; n += 1) former.push(await bench.write('k', { expected: former.at(-1)! }));
      assert.equal((await bench.loaded('k')).version, former.at(-1));
      await bench.cause('recreate');
      // The first calls may notice it by an error.
      await bench.finish(bench.update('probe', () => ({})));
      assert.equal(await bench.load('k'), undefined);
      assert.deepEqual([await bench.read('k', 'a'), await bench.versions(['k'])], [[], [undefined]]);
      assert.equal(await bench.commit('k', changeOf({ expected: former.at(-1)! })), undefined);
      const later = [await bench.write('k', {})];
      for (let n = 0; n < 15; n += 1) later.push(await bench.write('k', { expected: later.at(-1)! }));
      assert.deepEqual(
        later.filter((version) => former.includes(version)),
        [],
      );
    },
  },
];
