import { describe, expect, test } from 'vitest';
import {
  ADDRESS,
  createRunProcesses,
  LEASE_MS,
  ManualSource,
  type RunProcesses,
  type TestStore,
} from '../../../test-kit/run-processes.ts';
import type { RecordChange } from './run-store.ts';

/** Records the commits of a process. `gate`: each commit waits until the test releases it. */
function openSpy(world: RunProcesses) {
  const calls: TestStore = world.calls();
  const { commit } = calls;
  const commits: RecordChange[] = [];
  const waiting: Array<() => void> = [];
  const spy = { commits, waiting, isGated: false, calls, commit };
  calls.commit = async (key, change) => {
    commits.push(change);
    if (spy.isGated) await new Promise<void>((resolve) => waiting.push(resolve));
    return commit(key, change);
  };
  return spy;
}

async function begin(limits = {}, options = {}) {
  const world = createRunProcesses();
  const spy = openSpy(world);
  const one = world.open(limits, spy.calls);
  const source = new ManualSource();
  const { run } = await one.start(source.open, options);
  await world.clock.settle();
  spy.commits.length = 0;
  return { ...world, spy, one, source, run };
}

const appended = (commits: readonly RecordChange[]) => commits.map(({ append }) => append?.events);

describe('batches', () => {
  test('the events of one tick are one commit, and events during a commit are the next one', async () => {
    const { clock, spy, one, source, run } = await begin();
    spy.isGated = true;
    source.yield('a', 'b');
    await clock.settle();
    source.yield('c', 'd');
    await clock.settle();
    expect(appended(spy.commits)).toEqual([['"a"', '"b"']]);
    spy.waiting.shift()!();
    await clock.settle();
    expect(appended(spy.commits)).toEqual([
      ['"a"', '"b"'],
      ['"c"', '"d"'],
    ]);
    expect(spy.commits.every(({ state }) => state === undefined)).toBe(true);
    spy.waiting.shift()!();
    await clock.settle();
    expect(await one.events(run)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('the end is recorded in one commit with the last events', async () => {
    const { clock, spy, source } = await begin();
    source.yield('a');
    source.finish();
    await clock.settle();
    expect(spy.commits).toMatchObject([
      {
        append: { after: 0, events: ['"a"'] },
        count: 1,
        leaseMs: 0,
        state: expect.stringContaining('"done"'),
      },
    ]);
  });

  test('the end waits for the commit in flight, and follows the last event', async () => {
    const { clock, spy, source, one } = await begin();
    spy.isGated = true;
    source.yield('a');
    await clock.settle();
    source.yield('b');
    source.finish();
    await clock.settle();
    expect(spy.commits).toHaveLength(1);
    spy.isGated = false;
    spy.waiting.shift()!();
    await clock.settle();
    expect(spy.commits[1]).toMatchObject({ append: { after: 1, events: ['"b"'] }, count: 2 });
    expect(await one.view()).toMatchObject([{ count: 2, end: { outcome: 'done', count: 2 } }]);
  });

  test('a large batch is committed before the end of the tick', async () => {
    const { spy, source } = await begin();
    source.yield('x'.repeat(64 * 1024));
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(spy.commits).toHaveLength(1);
  });

  test('followers in this process get recorded events only after their commit', async () => {
    const { clock, spy, source, one } = await begin();
    const recorded: unknown[] = [];
    one.records.follow(ADDRESS, (change) => recorded.push(change.recorded?.events));
    await clock.settle();
    spy.isGated = true;
    source.yield('a');
    await clock.settle();
    expect(recorded).toEqual([undefined]);
    spy.waiting.shift()!();
    await clock.settle();
    expect(recorded).toEqual([undefined, ['"a"']]);
  });
});

test('a slow store pauses the source at 256 KiB, and the end of a commit resumes it', async () => {
  const { clock, spy, source } = await begin();
  spy.isGated = true;
  source.yield(...Array.from({ length: 20 }, () => 'x'.repeat(40 * 1024)));
  await clock.settle();
  // Two values fill the first batch. The others wait for it, and the seventh is over the bound.
  expect(source.left).toBe(20 - 7);
  spy.waiting.shift()!();
  await clock.settle();
  expect(source.left).toBe(20 - 9);
});

describe('the lease', () => {
  test('a quiet producer renews its lease, and its run is not lost', async () => {
    const { clock, spy, store, run, ...world } = await begin();
    const two = world.open();
    two.records.follow(ADDRESS, () => undefined);
    await clock.advance(20 * LEASE_MS);
    expect(await two.view()).toMatchObject([{ run, end: undefined }]);
    expect((await store.load(ADDRESS))!.leaseLeftMs).toBeGreaterThan(LEASE_MS / 2);
    // A third of a lease each, and not more.
    expect(spy.commits.length).toBeLessThanOrEqual(4 * 20);
    expect(spy.commits.every(({ append }) => append === undefined)).toBe(true);
  });

  test('events renew the lease: a busy producer sends no renewals', async () => {
    const { clock, spy, source } = await begin();
    for (let turn = 0; turn < 40; turn += 1) {
      source.yield('x');
      await clock.advance(LEASE_MS / 10);
    }
    expect(spy.commits).toHaveLength(40);
  });

  test('a producer whose process was suspended continues if no other process has ended its run', async () => {
    const { clock, source, one } = await begin();
    clock.sleep(10 * LEASE_MS);
    source.yield('a');
    source.finish();
    await clock.advance(1_000);
    expect(await one.view()).toMatchObject([{ count: 1, end: { outcome: 'done' } }]);
  });

  test('the timers of producers stop with the last run', async () => {
    const { clock, source } = await begin();
    expect(clock.pending).toBeGreaterThan(0);
    source.finish();
    await clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });
});

describe('a stale producer', () => {
  test.each([
    ['was continued by another process', { key: 'a', attempts: 2 }],
    ['is lost', { key: 'a', attempts: 1 }],
  ])('writes nothing more when its run %s, and its signal aborts', async (_, options) => {
    const { clock, spy, source, run, open } = await begin({}, options);
    source.yield('a');
    await clock.settle();
    // The process is cut off: its calls to the store never settle.
    const { calls, commit } = spy;
    const { load } = calls;
    const never = () => new Promise<never>(() => undefined);
    Object.assign(calls, { commit: never, load: never, versions: never });
    const two = open();
    clock.sleep(LEASE_MS);
    const next = new ManualSource();
    await two.start(next.open, options);
    // It sees no version: only its next commit can find the other claim.
    Object.assign(calls, { commit, load });
    source.yield('stale');
    await clock.advance(2_000);
    expect(source.calls[0]!.signal.aborted).toBe(true);
    next.yield('b');
    next.finish();
    await clock.settle();
    const isContinued = options.attempts === 2;
    expect(await two.events(run)).toEqual(isContinued ? ['a', 'b'] : ['a']);
    expect((await two.view())[0]).toMatchObject({ end: { outcome: isContinued ? 'done' : 'lost' } });
  });

  test('a producer notices a later claim of its run by a hint of the store, without a commit', async () => {
    const { clock, source, store } = await begin();
    const { version, state } = (await store.load(ADDRESS))!;
    const claimed = state.replaceAll('"epoch":1', '"epoch":2');
    await store.commit(ADDRESS, {
      expected: version,
      state: claimed,
      count: 0,
      leaseMs: 9_000,
      keepMs: 90_000,
    });
    // Before the next renewal of its lease.
    await clock.advance(600);
    expect(source.calls[0]!.signal.aborted).toBe(true);
  });

  test.each([
    ['an event', (source: ManualSource) => source.yield('c')],
    ['the renewal of its lease', () => undefined],
    ['the end', (source: ManualSource) => source.finish()],
  ])('a run is lost with %s, if the store lost its newest events', async (_, act) => {
    const { clock, source, one, run, store, spy } = await begin();
    source.yield('a');
    await clock.settle();
    const former = (await store.load(ADDRESS))!;
    source.yield('b');
    await clock.settle();
    const lost = (await store.load(ADDRESS))!;
    // A replica without the last commit has become the master.
    await store.commit(ADDRESS, { ...former, expected: lost.version, leaseMs: LEASE_MS, keepMs: 90_000 });
    spy.commits.length = 0;
    act(source);
    await clock.advance(LEASE_MS / 2);
    expect(source.calls[0]!.signal.aborted).toBe(true);
    expect(appended(spy.commits).flat().filter(Boolean)).toEqual([]);
    const end = { outcome: 'lost', reason: 'data_loss', count: 1 };
    expect(await one.view()).toMatchObject([{ run, count: 1, end }]);
  });

  test('a run whose record was deleted aborts its producer', async () => {
    const { clock, source, store, spy } = await begin();
    spy.calls.versions = async (keys) => keys.map(() => undefined);
    spy.calls.load = async () => undefined;
    // Before the next renewal of its lease.
    await clock.advance(600);
    expect(source.calls[0]!.signal.aborted).toBe(true);
    expect(await store.list('')).toEqual([ADDRESS]);
  });
});

describe('a store that fails', () => {
  test.each([
    ['that was recorded', true],
    ['that was not recorded', false],
  ])('a commit %s and whose outcome is unknown records its events once', async (_, isRecorded) => {
    const { clock, spy, source, one, run } = await begin();
    let fails = 3;
    spy.calls.commit = async (key, change) => {
      fails -= 1;
      if (fails < 0) return spy.commit(key, change);
      if (isRecorded) await spy.commit(key, change);
      throw new Error('timeout');
    };
    source.yield('a', 'b');
    await clock.advance(500);
    fails = 1;
    source.yield('c');
    source.finish();
    await clock.advance(500);
    expect(await one.events(run)).toEqual(['a', 'b', 'c']);
    expect(await one.view()).toMatchObject([{ count: 3, end: { outcome: 'done', count: 3 } }]);
  });

  test('events that were written during a failed commit are recorded before the end', async () => {
    const { clock, spy, source, one, run } = await begin();
    let fail: () => void = () => undefined;
    let fails = 2;
    spy.calls.commit = async (key, change) => {
      fails -= 1;
      if (fails < 0) return spy.commit(key, change);
      await new Promise<void>((resolve) => (fail = resolve));
      throw new Error('timeout');
    };
    source.yield('a');
    await clock.settle();
    source.yield('b');
    source.finish();
    await clock.settle();
    fail();
    await clock.settle();
    fail();
    await clock.advance(100);
    expect(await one.events(run)).toEqual(['a', 'b']);
    expect(await one.view()).toMatchObject([{ count: 2, end: { outcome: 'done', count: 2 } }]);
  });

  test('a run survives an outage of the store that is longer than its lease', async () => {
    const { clock, spy, source, one, run, open } = await begin();
    const broken = async () => Promise.reject(new Error('away'));
    const { calls } = spy;
    const working = { ...calls };
    const shared = open({}, calls);
    shared.records.follow(ADDRESS, () => undefined);
    await clock.settle();
    Object.assign(calls, { load: broken, commit: broken, versions: broken });
    source.yield('a');
    await clock.advance(2 * LEASE_MS);
    Object.assign(calls, working);
    await clock.advance(LEASE_MS);
    expect(await one.view()).toMatchObject([{ run, count: 1, end: undefined }]);
    expect(one.errors).toHaveLength(1);
    source.finish();
    await clock.settle();
    expect(await shared.view()).toMatchObject([{ end: { outcome: 'done' } }]);
  });

  test('a producer that cannot reach the store for six leases gives up', async () => {
    const { clock, spy, source, one } = await begin();
    const broken = async () => Promise.reject(new Error('away'));
    Object.assign(spy.calls, { load: broken, commit: broken, versions: broken });
    source.yield('a');
    await clock.advance(5 * LEASE_MS);
    expect(source.calls[0]!.signal.aborted).toBe(false);
    await clock.advance(2 * LEASE_MS);
    expect(source.calls[0]!.signal.aborted).toBe(true);
    const closing = one.runs.close(0);
    await clock.settle();
    await closing;
  });
});

describe('bounds of a run', () => {
  test.each([
    ['maxRunEvents', { maxRunEvents: 2 }, 2],
    ['maxRunBytes', { maxRunBytes: 7 }, 2],
  ])('a run over %s fails with run_limit, and keeps what it has', async (name, limits, count) => {
    const { clock, source, one, run } = await begin(limits);
    source.yield('a', 'b', 'c', 'd');
    await clock.settle();
    expect(await one.view()).toMatchObject([
      {
        run,
        count,
        end: { outcome: 'failed', error: { code: 'run_limit', message: expect.stringContaining(name) } },
      },
    ]);
    expect(await one.events(run)).toEqual(['a', 'b']);
  });

  test('a run past its longest time fails with run_limit, also in its second attempt', async () => {
    const options = { key: 'a', attempts: 2, maxDurationMs: 10_000 };
    const { clock, source, one, open } = await begin({}, options);
    await clock.advance(9_000);
    expect(await one.view()).toMatchObject([{ end: undefined }]);
    const closing = one.runs.close(0);
    await clock.settle();
    await closing;
    const two = open();
    const next = new ManualSource();
    await two.start(next.open, options);
    await clock.advance(2_000);
    expect([source, next].map(({ calls }) => calls[0]!.signal.aborted)).toEqual([true, true]);
    expect(await two.view()).toMatchObject([
      { attempt: 2, end: { outcome: 'failed', error: { code: 'run_limit' } } },
    ]);
  });

  test.each([
    ['maxRunEvents', { maxRunEvents: 3 }],
    ['maxRunBytes', { maxRunBytes: 9 }],
  ])('the bound %s of a run counts the events of earlier attempts', async (_, limits) => {
    const options = { key: 'a', attempts: 2 };
    const { clock, source, one, open } = await begin({}, options);
    source.yield('a', 'b');
    await clock.settle();
    const closing = one.runs.close(0);
    await clock.settle();
    await closing;
    const two = open(limits);
    const next = new ManualSource();
    await two.start(next.open, options);
    next.yield('c', 'd');
    await clock.settle();
    expect(await two.view()).toMatchObject([{ count: 3, end: { error: { code: 'run_limit' } } }]);
  });
});
