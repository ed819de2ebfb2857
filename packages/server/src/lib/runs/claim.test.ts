import { describe, expect, test } from 'vitest';
import {
  ADDRESS,
  createRunProcesses,
  LEASE_MS,
  ManualSource,
  RESULT,
} from '../../../test-kit/run-processes.ts';
import { MAX_KEPT_RUNS } from './record-write.ts';

function openTwo() {
  const world = createRunProcesses();
  return { ...world, one: world.open(), two: world.open() };
}

/** The process stops to work: its producer renews no lease and writes nothing more. */
function freeze(world: ReturnType<typeof createRunProcesses>) {
  const calls = world.calls();
  const { commit } = calls;
  let isFrozen = false;
  const never = (): Promise<never> => new Promise<never>(() => undefined);
  calls.commit = (key, change) => (isFrozen ? never() : commit(key, change));
  return { process: world.open({}, calls), freeze: () => (isFrozen = true) };
}

describe('starts', () => {
  test('50 starts with one key from two processes make one run', async () => {
    const { one, two, clock } = openTwo();
    const source = new ManualSource();
    const starts = Array.from({ length: 50 }, (_, index) =>
      (index % 2 === 0 ? one : two).start(source.open, { key: 'a' }),
    );
    await clock.settle();
    const started = await Promise.all(starts);
    expect(new Set(started.map(({ run }) => run)).size).toBe(1);
    expect(started.filter(({ joined }) => !joined)).toHaveLength(1);
    expect(source.calls).toHaveLength(1);
  });

  test('a start resolves when its claim is recorded, before its source has yielded', async () => {
    const { one, two } = openTwo();
    const { run } = await one.start(new ManualSource().open);
    expect(await two.view()).toMatchObject([{ run, attempt: 1, count: 0, end: undefined }]);
  });

  test('a start with the key of an ended run joins it, until the run is no longer kept', async () => {
    const { one, two, clock } = openTwo();
    const source = new ManualSource();
    source.finish();
    const { run } = await one.start(source.open, { key: 'a', keepMs: 5_000 });
    await clock.settle();
    expect(await two.start(source.open, { key: 'a' })).toEqual({ run, joined: true, outcome: 'done' });
    await clock.advance(5_000);
    const again = await two.start(source.open, { key: 'a' });
    expect(again).toMatchObject({ joined: false });
    expect(again.run > run).toBe(true);
  });

  test('a run that is no longer kept is unknown, also while the record has other runs', async () => {
    const { one, two, clock } = openTwo();
    for (const [key, keepMs] of [
      ['a', 5_000],
      ['b', 60_000],
    ] as const) {
      const source = new ManualSource();
      source.finish();
      await one.start(source.open, { key, keepMs });
      await clock.settle();
    }
    await clock.advance(5_000);
    expect((await two.view()).map(({ key }) => key)).toEqual(['b']);
    expect(await two.start(new ManualSource().open, { key: 'a' })).toMatchObject({ joined: false });
    expect(await two.start(new ManualSource().open, { key: 'b' })).toMatchObject({ joined: true });
  });

  test('a start with a known key and another input is refused', async () => {
    const { one, two } = openTwo();
    const { run } = await one.start(new ManualSource().open, { key: 'a', input: { b: 1, a: [2] } });
    const same = { key: 'a', input: { a: [2], b: 1 } };
    expect(await two.start(new ManualSource().open, same)).toMatchObject({ run, joined: true });
    const other = two.start(new ManualSource().open, { key: 'a', input: { b: 1, a: [3] } });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict', status: 409 });
  });

  test('while a run is busy, a start with another key joins it or is refused', async () => {
    const { one, two } = openTwo();
    const source = new ManualSource();
    const { run } = await one.start(source.open, { key: 'a' });
    expect(await two.start(source.open, { key: 'b' })).toEqual({ run, joined: true, outcome: undefined });
    expect(await two.start(source.open)).toEqual({ run, joined: true, outcome: undefined });
    const refused = two.start(source.open, { key: 'b', whenBusy: 'refuse' });
    await expect(refused).rejects.toMatchObject({ code: 'run_busy', status: 409 });
    expect(source.calls).toHaveLength(1);
  });

  test('a start that replaces begins after the end of the stopped run is recorded', async () => {
    const { one, two, clock } = openTwo();
    const [first, second] = [new ManualSource(), new ManualSource()];
    const { run } = await one.start(first.open, { key: 'a' });
    first.yield('x');
    await clock.settle();
    const replacing = two.start(second.open, { key: 'b', whenBusy: 'replace' });
    await clock.settle();
    const { run: next, joined } = await replacing;
    expect(joined).toBe(false);
    expect(first.calls[0]!.signal.aborted).toBe(true);
    expect(await one.view()).toMatchObject([
      { run, count: 1, end: { outcome: 'stopped', reason: 'replaced' } },
      { run: next, end: undefined },
    ]);
  });

  test('a start that replaces gives up after eight other runs were first', async () => {
    const { one, clock } = openTwo();
    const sources: ManualSource[] = [];
    const replace = () => {
      const source = new ManualSource();
      sources.push(source);
      return one.start(source.open, { whenBusy: 'replace' });
    };
    await replace();
    const results = Promise.allSettled(Array.from({ length: 20 }, replace));
    for (let turn = 0; turn < 30; turn += 1) await clock.settle();
    const refused = (await results).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ reason: { code: 'run_busy' } });
    expect(sources.filter(({ calls }) => calls.length > 0).length).toBeGreaterThan(8);
  });

  test('the ids of the runs of an address grow, even at one time of the store', async () => {
    const { one, clock } = openTwo();
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      const source = new ManualSource();
      source.finish();
      ids.push((await one.start(source.open)).run);
      await clock.settle();
    }
    expect(ids).toEqual([...new Set(ids)].toSorted());
    expect(ids.every((id) => /^[0-9a-z]{17}$/.test(id))).toBe(true);
  });

  test('an address keeps a bounded number of ended runs, and drops the events of the oldest', async () => {
    const { one, clock } = openTwo();
    const ids: string[] = [];
    for (let index = 0; index < MAX_KEPT_RUNS + 3; index += 1) {
      const source = new ManualSource();
      source.yield('x');
      source.finish();
      ids.push((await one.start(source.open)).run);
      await clock.settle();
    }
    expect((await one.view()).map(({ run }) => run)).toEqual(ids.slice(2));
    expect(await one.events(ids[1]!)).toEqual([]);
    expect(await one.events(ids[2]!)).toEqual(['x']);
  });
});

describe('a producer that dies', () => {
  test('a start with the same key continues the run after its lease, with what is stored', async () => {
    const world = createRunProcesses();
    const dead = freeze(world);
    const [first, second] = [new ManualSource(), new ManualSource()];
    const { run } = await dead.process.start(first.open, { key: 'a', attempts: 2 });
    first.yield('x', 'y');
    await world.clock.settle();
    dead.freeze();
    const two = world.open();
    await world.clock.advance(LEASE_MS - 1);
    expect(await two.start(second.open, { key: 'a' })).toMatchObject({ run, joined: true });
    await world.clock.advance(1);
    expect(await two.start(second.open, { key: 'a' })).toEqual({ run, joined: false });
    await world.clock.settle();
    expect(second.calls).toMatchObject([{ stored: ['x', 'y'], attempt: 2 }]);
    second.yield('z');
    second.finish();
    await world.clock.settle();
    expect(await two.events(run)).toEqual(['x', 'y', 'z']);
    expect(await two.view()).toMatchObject([
      { run, attempt: 2, epoch: 2, count: 3, end: { outcome: 'done' } },
    ]);
  });

  test('a run without attempts left is lost at its lease, and a start with its key reports that', async () => {
    const world = createRunProcesses();
    const dead = freeze(world);
    const { run } = await dead.process.start(new ManualSource().open, { key: 'a' });
    dead.freeze();
    await world.clock.advance(LEASE_MS);
    const two = world.open();
    const started = await two.start(new ManualSource().open, { key: 'a' });
    expect(started).toEqual({ run, joined: true, outcome: 'lost' });
    expect((await world.store.load(ADDRESS))!.state).toContain('"outcome":"lost"');
  });

  test('a start with another key after the lease begins a new run, and the old one is lost', async () => {
    const world = createRunProcesses();
    const dead = freeze(world);
    const { run } = await dead.process.start(new ManualSource().open, { key: 'a' });
    dead.freeze();
    await world.clock.advance(LEASE_MS);
    const two = world.open();
    const next = await two.start(new ManualSource().open, { key: 'b', whenBusy: 'refuse' });
    expect(await two.view()).toMatchObject([
      { run, epoch: 1, end: { outcome: 'lost' } },
      { run: next.run, epoch: 2, end: undefined },
    ]);
  });

  test('a run that waits for another attempt counts as busy for a start with another key', async () => {
    const world = createRunProcesses();
    const dead = freeze(world);
    await dead.process.start(new ManualSource().open, { key: 'a', attempts: 2 });
    dead.freeze();
    await world.clock.advance(LEASE_MS);
    const two = world.open();
    const refused = two.start(new ManualSource().open, { key: 'b', whenBusy: 'refuse' });
    await expect(refused).rejects.toMatchObject({ code: 'run_busy' });
    await world.clock.advance(LEASE_MS);
    expect(await two.start(new ManualSource().open, { key: 'b', whenBusy: 'refuse' })).toMatchObject({
      joined: false,
    });
  });
});

describe('a claim with an unknown outcome', () => {
  test.each([
    ['was recorded', true],
    ['was not recorded', false],
  ])('a claim whose commit failed and %s makes one run', async (_, isRecorded) => {
    const world = createRunProcesses();
    const calls = world.calls();
    const { commit } = calls;
    calls.commit = async (key, change) => {
      calls.commit = commit;
      if (isRecorded) await commit(key, change);
      throw new Error('timeout');
    };
    const one = world.open({}, calls);
    const source = new ManualSource();
    const { run, joined } = await one.start(source.open);
    await world.clock.settle();
    expect(joined).toBe(false);
    expect(source.calls).toHaveLength(1);
    expect(await one.view()).toMatchObject([{ run, attempt: 1, epoch: 1 }]);
  });
});

test('a run records the result of its source', async () => {
  const { one, clock } = openTwo();
  const source = new ManualSource();
  source.finish();
  await one.start(source.open);
  await clock.settle();
  expect(await one.view()).toMatchObject([{ end: { outcome: 'done', result: RESULT, count: 0 } }]);
});
