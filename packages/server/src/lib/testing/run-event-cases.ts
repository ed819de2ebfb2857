/** Contract of a store of runs: the events of runs, and the texts of states. */
import assert from 'node:assert/strict';
import { eventsOf, SHORT_MS, type RunStoreBench, type RunStoreCaseBody } from './run-store-bench.ts';

/** JSON texts that a store could change: escapes, separators, white space, every kind of character. */
const TEXTS = [
  ...[
    '""',
    '"a"',
    'null',
    '0',
    '-1.5e-7',
    '[]',
    '{}',
    '{"a":{"b":[1,2,{"c":null}]}}',
    ' { "a" :\n\t1 } ',
    '[ ]',
  ],
  ...[
    '"\\u0000\\u001e\\u001f\\n\\r\\t"',
    '"\\ud800"',
    '"\\"quoted\\" \\\\ back"',
    `"it's; -- DROP"`,
    '"100 %_*?"',
  ],
  ...[
    '"日本語"',
    '"🙂👩‍👩‍👧"',
    '"\u00e9 e\u0301"',
    '"\u2028\u2029\u00a0\ufeff"',
    '"\u007f\u0080\uffff"',
    '"{\\"n\\":1}"',
    '"$1 ${a} {{b}}"',
  ],
];

async function appendAll(bench: RunStoreBench, batches: ReadonlyArray<readonly string[]>): Promise<string[]> {
  const all: string[] = [];
  let expected: number | undefined;
  for (const events of batches) {
    const append = { run: 'r', after: all.length, events };
    all.push(...events);
    expected = await bench.write('k', { expected, count: all.length, append });
  }
  return all;
}

/** Reads page after page. */
async function readAll(
  bench: RunStoreBench,
  limit: { events?: number; bytes?: number },
): Promise<{ events: string[]; pages: number }> {
  const events: string[] = [];
  for (let pages = 0; ; pages += 1) {
    const page = await bench.read('k', 'r', events.length, limit);
    if (page.length === 0) return { events, pages };
    assert.ok(page.length <= (limit.events ?? Infinity), 'a page has no more events than its limit');
    events.push(...page);
  }
}

export const runEventCases: readonly RunStoreCaseBody[] = [
  {
    name: 'the events after any number are the rest of the run, in order',
    async run(bench) {
      const batches = [eventsOf(1), eventsOf(3, 2), [], eventsOf(1, 5), eventsOf(7, 6)];
      const all = await appendAll(bench, batches);
      for (const store of [bench.store, await bench.open()])
        for (let after = 0; after <= all.length + 2; after += 1)
          assert.deepEqual(await bench.read('k', 'r', after, {}, store), all.slice(after));
    },
  },
  {
    name: 'a read has no more events than its limit, and the next one continues',
    async run(bench) {
      const all = await appendAll(bench, [eventsOf(5), eventsOf(1, 6), eventsOf(6, 7)]);
      for (const events of [1, 2, 5, 6, 7, 12, 13]) {
        assert.deepEqual(await bench.read('k', 'r', 3, { events }), all.slice(3, 3 + events));
        assert.deepEqual((await readAll(bench, { events })).events, all);
      }
    },
  },
  {
    name: 'a read ends about where its bytes reach the limit, and has at least one event',
    async run(bench) {
      const large = (n: number) => JSON.stringify(`${n}`.padEnd(1_000, 'x'));
      const all = await appendAll(bench, [
        [1, 2, 3, 4, 5].map(large),
        ...[6, 7, 8, 9, 10].map((n) => [large(n)]),
      ]);
      for (const after of [0, 2, 6]) {
        assert.deepEqual(await bench.read('k', 'r', after, { bytes: 1 }), all.slice(after, after + 1));
        const { length } = await bench.read('k', 'r', after, { bytes: 2_500 });
        assert.ok(length >= 1 && length <= 4, `a read of 2,500 bytes has ${length} events of 1,000 bytes`);
      }
      for (const bytes of [1, 1_500, 4_000]) {
        const { events, pages } = await readAll(bench, { bytes });
        assert.deepEqual(events, all);
        assert.ok(pages >= 10_000 / (bytes + 2_000), `${pages} pages of ${bytes} bytes`);
      }
    },
  },
  {
    name: 'events belong to their run and to their key',
    async run(bench) {
      const append = (run: string, text: string) => ({ run, after: 0, events: [text] });
      let expected = await bench.write('k', { append: append('r', '1') });
      expected = await bench.write('k', { expected, append: append('r2', '2') });
      await bench.write('k', { expected, append: append('R', '3') });
      await bench.write('k2', { append: append('r', '4') });
      const found = [];
      for (const [key, run] of [
        ['k', 'r'],
        ['k', 'r2'],
        ['k', 'R'],
        ['k2', 'r'],
        ['k2', 'r2'],
        ['k', ''],
      ] as const)
        found.push(await bench.read(key, run));
      assert.deepEqual(found, [['1'], ['2'], ['3'], ['4'], [], []]);
    },
  },
  {
    name: 'a dropped run has no events, and other runs keep theirs',
    async run(bench) {
      let expected: number | undefined;
      for (const run of ['a', 'b', 'c', 'd'])
        expected = await bench.write('k', { expected, append: { run, after: 0, events: eventsOf(3) } });
      await bench.write('other', { append: { run: 'a', after: 0, events: eventsOf(3) } });
      // A drop of an unknown run changes nothing, and an append of the same commit is performed.
      const append = { run: 'd', after: 3, events: eventsOf(2, 4) };
      expected = await bench.write('k', { expected, drop: ['a', 'c', 'unknown'], append });
      for (const store of [bench.store, await bench.open()]) {
        const runs = [];
        for (const run of ['a', 'b', 'c', 'd']) runs.push(await bench.read('k', run, 0, {}, store));
        assert.deepEqual(runs, [[], eventsOf(3), [], eventsOf(5)]);
      }
      assert.deepEqual(await bench.read('other', 'a'), eventsOf(3));
    },
  },
  {
    name: 'a run of the name of a dropped one has only its own events',
    async run(bench) {
      let expected = await bench.write('k', { append: { run: 'a', after: 0, events: eventsOf(3) } });
      expected = await bench.write('k', { expected, drop: ['a'] });
      await bench.write('k', { expected, append: { run: 'a', after: 0, events: ['"new"'] } });
      assert.deepEqual(await bench.read('k', 'a'), ['"new"']);
    },
  },
  {
    name: 'events are deleted with their record',
    async run(bench) {
      await bench.write('k', { keepMs: SHORT_MS / 2, append: { run: 'a', after: 0, events: eventsOf(3) } });
      await bench.untilGone('k');
      assert.deepEqual(await bench.read('k', 'a'), []);
      await bench.write('k', { append: { run: 'b', after: 0, events: eventsOf(1) } });
      assert.deepEqual([await bench.read('k', 'a'), await bench.read('k', 'b')], [[], eventsOf(1)]);
    },
  },
  {
    name: 'a record and the events of its commit are seen together, on every handle',
    async run(bench) {
      const other = await bench.open();
      const writing = (async () => {
        let expected: number | undefined;
        for (let n = 0; n < 30; n += 1) {
          const append = { run: 'r', after: 4 * n, events: eventsOf(4, 4 * n + 1) };
          expected = await bench.write('k', { expected, count: 4 * n + 4, append });
        }
      })();
      writing.catch(() => undefined);
      let count = 0;
      do {
        for (const store of [other, bench.store]) {
          count = (await bench.load('k', store))?.count ?? 0;
          const events = await bench.read('k', 'r', 0, {}, store);
          assert.ok(events.length >= count, `${events.length} events, and the count before was ${count}`);
          assert.equal(events.length % 4, 0, 'the events of a commit are seen together');
          const after = (await bench.load('k', store))?.count ?? 0;
          assert.ok(events.length <= after, `${events.length} events, and the count afterwards is ${after}`);
        }
      } while (count < 120);
      await bench.finish(writing);
    },
  },
  {
    name: 'events and states are read back unchanged',
    async run(bench) {
      await appendAll(bench, [TEXTS, ...TEXTS.map((text) => [text])]);
      assert.deepEqual(await bench.read('k', 'r'), [...TEXTS, ...TEXTS]);
      assert.deepEqual((await readAll(bench, { events: 3 })).events, [...TEXTS, ...TEXTS]);
      for (const [index, state] of TEXTS.entries()) await bench.write(`state ${index}`, { state });
      for (const [index, state] of TEXTS.entries())
        assert.equal((await bench.loaded(`state ${index}`)).state, state);
    },
  },
  {
    name: 'a state of 1 MiB, an event of 1 MiB and a commit of 2,000 events are read back unchanged',
    async run(bench) {
      const large = JSON.stringify('é🙂"\\x'.repeat(175_000));
      const many = eventsOf(2_000, 2);
      const expected = await bench.write('k', {
        state: large,
        count: 1,
        append: { run: 'r', after: 0, events: [large] },
      });
      await bench.write('k', { expected, count: 2_001, append: { run: 'r', after: 1, events: many } });
      for (const store of [bench.store, await bench.open()]) {
        assert.ok((await bench.loaded('k', store)).state === large, 'the state is unchanged');
        const events = await bench.read('k', 'r', 0, {}, store);
        assert.ok(events[0] === large, 'the event is unchanged');
        assert.deepEqual(events.slice(1), many);
      }
    },
  },
  {
    name: 'a run of 10,000 events is read whole in pages',
    async run(bench) {
      const batches = Array.from({ length: 100 }, (_, n) => eventsOf(100, 100 * n + 1));
      const all = await appendAll(bench, batches);
      const { events } = await readAll(bench, { events: 700, bytes: 16_384 });
      assert.deepEqual(events, all);
    },
  },
];
