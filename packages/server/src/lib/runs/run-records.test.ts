import { createManualClock } from '@linefeed/shared/testing';
import { expect, test } from 'vitest';
import { memoryRuns } from './memory-runs.ts';
import { encodeState, NO_RECORD, type RunState } from './record-state.ts';
import { RunRecords, type RunChange } from './run-records.ts';
import type { RunStore } from './run-store.ts';

const LIMIT = { events: 10, bytes: 1_000 };
const RUN: RunState = {
  run: '0aaaaaaaabbbbbbbb',
  epoch: 1,
  claim: 'c',
  attempt: 1,
  attempts: 1,
  startedAt: 5,
  leaseMs: 1_000,
  keepMs: 60_000,
};

function open(hints = true) {
  const clock = createManualClock();
  const { watch, ...calls } = bind(memoryRuns({ clock }));
  const store: RunStore = hints ? { ...calls, watch: watch! } : calls;
  const errors: unknown[] = [];
  const process = () =>
    new RunRecords({ store, clock, pollMs: 100, onError: (error) => void errors.push(error) });
  return { clock, store, errors, process };
}

function bind(store: RunStore): RunStore {
  return {
    load: (key) => store.load(key),
    commit: (key, change) => store.commit(key, change),
    read: (...args) => store.read(...args),
    versions: (keys) => store.versions(keys),
    list: (prefix) => store.list(prefix),
    watch: (listener) => store.watch!(listener),
    close: () => store.close(),
  };
}

async function begin(store: RunStore, key: string, run: Partial<RunState> = {}): Promise<number> {
  const state = encodeState({ ...NO_RECORD, epoch: 1, runs: [{ ...RUN, ...run }] });
  const change = { expected: undefined, state, count: 0, leaseMs: RUN.leaseMs, keepMs: 60_000 };
  return (await store.commit(key, change))!;
}

function append(store: RunStore, key: string, expected: number, count: number, ...events: string[]) {
  const change = { expected, count, leaseMs: RUN.leaseMs, keepMs: 60_000 };
  return store.commit(key, { ...change, append: { run: RUN.run, after: count - events.length, events } });
}

function collect(records: RunRecords, key: string): RunChange[] {
  const changes: RunChange[] = [];
  records.follow(key, (change) => changes.push(change));
  return changes;
}

const countsOf = (changes: readonly RunChange[]) => changes.map(({ views }) => views.at(-1)?.count);

test('an address without a record has no runs', async () => {
  const records = open().process();
  expect(await records.view('answer')).toEqual([]);
  expect(await records.read('answer', RUN.run, 0, LIMIT)).toEqual([]);
});

test.each([
  ['with hints of the store', true],
  ['without hints of the store', false],
])('a follower gets the record as it is, and changes of another process, %s', async (_, hints) => {
  const { clock, store, process } = open(hints);
  const version = await begin(store, 'answer');
  const changes = collect(process(), 'answer');
  expect(changes).toEqual([]);
  await clock.settle();
  expect(countsOf(changes)).toEqual([0]);
  await append(store, 'answer', version, 2, '1', '2');
  await clock.advance(100);
  expect(countsOf(changes)).toEqual([0, 2]);
  expect(changes.at(-1)!.recorded).toBeUndefined();
});

test('a second follower gets the record too, after its call', async () => {
  const { clock, store, process } = open();
  await begin(store, 'answer');
  const records = process();
  collect(records, 'answer');
  await clock.settle();
  const second = collect(records, 'answer');
  expect(second).toEqual([]);
  await clock.settle();
  expect(countsOf(second)).toEqual([0]);
});

test('a follower gets the newest of two loads whose answers come in any order', async () => {
  const { clock, store } = open(false);
  const version = await begin(store, 'answer');
  const answers: Array<() => void> = [];
  const held = { ...store };
  held.load = async (key) => {
    const stored = await store.load(key);
    await new Promise<void>((resolve) => answers.push(resolve));
    return stored;
  };
  const records = new RunRecords({ store: held, clock, pollMs: 100, onError: () => undefined });
  const changes = collect(records, 'answer');
  await clock.settle();
  await append(store, 'answer', version, 1, '1');
  const viewed = records.view('answer');
  await clock.settle();
  for (const answer of answers) answer();
  expect((await viewed).at(-1)!.count).toBe(1);
  await clock.settle();
  expect(countsOf(changes)).toEqual([0, 1]);
});

test('a run whose lease has expired is lost, and its end is recorded once', async () => {
  const { clock, store, process } = open();
  await begin(store, 'answer');
  const changes = collect(process(), 'answer');
  const others = collect(process(), 'answer');
  await clock.advance(RUN.leaseMs + 1_000);
  expect(changes.map(({ views }) => views[0]!.end?.outcome)).toEqual([undefined, 'lost']);
  expect(others.at(-1)!.views).toEqual(changes.at(-1)!.views);
  const { version } = (await store.load('answer'))!;
  await clock.advance(10_000);
  expect((await store.load('answer'))!.version).toBe(version);
});

test('a run with attempts left is lost after the duration of another lease', async () => {
  const { clock, store, process } = open();
  await begin(store, 'answer', { attempts: 2 });
  const records = process();
  await clock.advance(RUN.leaseMs * 2 - 1);
  expect((await records.view('answer'))[0]!.end).toBeUndefined();
  await clock.advance(1);
  expect((await records.view('answer'))[0]!.end).toMatchObject({ outcome: 'lost', count: 0 });
});

test('a record without followers has no timer', async () => {
  const { clock, process } = open();
  const records: RunRecords = process();
  const stop = records.follow('answer', () => undefined);
  await clock.settle();
  expect(clock.pending).toBe(1);
  stop();
  await clock.advance(1_000);
  expect(clock.pending).toBe(0);
});
