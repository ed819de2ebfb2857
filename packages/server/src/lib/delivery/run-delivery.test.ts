import { LinefeedError } from '@linefeed/shared';
import { createManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import { entries, range } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { createRunBench, LEASE_MS } from '../../../test-kit/run-bench.ts';
import { connect } from '../../../test-kit/tap.ts';
import { memoryRuns } from '../runs/memory-runs.ts';
import type { RunStore } from '../runs/run-store.ts';

const ADDRESS = 'answer?chat=1';
const PATH = `/events/${ADDRESS}`;

/** A store whose calls are counted, and whose reads a test can hold or fail. */
function watchedRuns() {
  const clock = createManualClock();
  const inner = memoryRuns({ clock });
  const calls = { read: 0, load: 0, versions: 0 };
  const control = { beforeRead: async (): Promise<void> => undefined };
  const store: RunStore = {
    commit: (key, change) => inner.commit(key, change),
    list: (prefix) => inner.list(prefix),
    watch: (listener) => inner.watch!(listener),
    close: () => inner.close(),
    load(key) {
      calls.load += 1;
      return inner.load(key);
    },
    versions(keys) {
      calls.versions += 1;
      return inner.versions(keys);
    },
    async read(key, run, after, limit) {
      calls.read += 1;
      await control.beforeRead();
      return inner.read(key, run, after, limit);
    },
  };
  return { clock, store, calls, control };
}

describe('readers of one run', () => {
  it('readers that join together share one page and one array of bytes', async () => {
    const { clock, store, calls } = watchedRuns();
    const { open, ask, producer } = createRunBench({ clock, runs: store });
    const run = producer(ADDRESS);
    await run.start();
    await run.append(...range(1, 400).map((n) => ({ n, text: 'x'.repeat(50) })));
    const answers = await Promise.all(range(1, 20).map(() => ask(PATH)));
    const taps = answers.map((answer) => connect(answer));
    await clock.settle();
    expect(taps.map((tap) => tap.payloads.length)).toEqual(taps.map(() => 400));
    expect(calls.read).toBe(1);
    const largest = taps.map(({ writes }) => writes.toSorted((a, b) => b.byteLength - a.byteLength)[0]);
    expect(new Set(largest).size).toBe(1);
    expect((await open(PATH)).payloads).toHaveLength(400);
  });

  it('readers at the end of a run get its events without a read, and follow its record together', async () => {
    const { clock, store, calls } = watchedRuns();
    const { open, producer } = createRunBench({ clock, runs: store });
    const run = producer(ADDRESS);
    await run.start();
    const taps = [await open(PATH), await open(PATH), await open(entries('notice', `${ADDRESS}&key=a`))];
    calls.load = 0;
    calls.versions = 0;
    for (const n of range(1, 10)) await run.append(n);
    await clock.advance(500);
    expect(taps.map((tap) => tap.payloads)).toEqual(taps.map(() => range(1, 10)));
    expect(calls).toMatchObject({ read: 0, load: 0 });
    // One hint of the store for each commit, for all readers together.
    expect(calls.versions).toBeLessThan(15);
    for (const tap of taps) tap.leave();
    await clock.advance(5_000);
    expect(clock.pending).toBe(0);
  });

  it('a slow reader holds at most one page, and neither the producer nor another reader waits for it', async () => {
    const { open, producer, takeAll } = createRunBench({ stallTimeoutMs: false });
    const run = producer(ADDRESS);
    await run.start();
    const slow = await open(PATH, {}, { roomBytes: 1_000 });
    const fast = await open(PATH);
    let highest = 0;
    for (const n of range(1, 300)) {
      await run.append(`${n} ${'x'.repeat(10_000)}`);
      highest = Math.max(highest, slow.bufferedBytes);
    }
    await run.end();
    expect(fast.payloads).toHaveLength(300);
    expect(highest).toBeLessThan(12_000);
    await takeAll(slow);
    expect(slow.payloads).toEqual(fast.payloads);
    expect(slow.of('linefeed.end')).toEqual(fast.of('linefeed.end'));
  });

  it('a reader that is too slow for live events reads pages of at most 256 KiB', async () => {
    const { open, producer, take, takeAll } = createRunBench({ stallTimeoutMs: false });
    const run = producer(ADDRESS);
    await run.start();
    const slow = await open(PATH, {}, { roomBytes: 100 });
    for (const n of range(1, 200)) await run.append(`${n} ${'x'.repeat(10_000)}`);
    let largest = 0;
    for (let before = -1; slow.writes.length > before;) {
      before = slow.writes.length;
      largest = Math.max(largest, slow.bufferedBytes);
      await take(slow);
    }
    expect(largest).toBeGreaterThan(256 * 1024);
    expect(largest).toBeLessThan(290_000);
    await takeAll(slow);
    expect(slow.payloads).toHaveLength(200);
  });

  it('runs and streams of a slow connection get room in turn, and none starves', async () => {
    const { open, producer, takeAll } = createRunBench({
      streams: {
        async *tick() {
          for (const n of range(1, 20)) yield n;
        },
      },
    });
    const runs = [producer(ADDRESS), producer('job')];
    for (const run of runs) await run.start();
    const topics = entries(`${ADDRESS}&key=a`, 'job?key=b', 'tick?key=c');
    const tap = await open(topics, {}, { roomBytes: 50 });
    for (const n of range(1, 20)) for (const run of runs) await run.append(n);
    await takeAll(tap);
    for (const name of [ADDRESS, 'job', 'tick~c']) expect(tap.dataOf(name)).toEqual(range(1, 20));
  });
});

describe('a delivery that waits for the store', () => {
  it('an entry that starts earlier is delivered from there, although a page of a later position is being read', async () => {
    const { clock, store, control } = watchedRuns();
    const bench = createRunBench({ clock, runs: store });
    const run = bench.producer(ADDRESS);
    await run.start();
    await run.append(1, 2, 3, 4);
    const gate = createGate();
    control.beforeRead = async () => void (await gate.wait());
    const tap = await bench.open(entries('notice', `${ADDRESS}&key=a&from=~${run.run}.3`));
    await bench.control(tap, { add: [{ address: ADDRESS, key: 'b', from: `~${run.run}.1` }] });
    gate.open();
    await clock.settle();
    expect(tap.payloads).toEqual([2, 3, 4]);
  });

  it('a connection gets no page that was read while its context expired', async () => {
    const { clock, store, control } = watchedRuns();
    const bench = createRunBench({ clock, runs: store, context: () => ({ expiresAt: clock.now() + 5_000 }) });
    const run = bench.producer(ADDRESS);
    await run.start();
    await run.append(1);
    const gate = createGate();
    control.beforeRead = async () => void (await gate.wait());
    const tap = await bench.open(PATH);
    clock.sleep(5_000);
    gate.open();
    await clock.settle();
    expect([tap.payloads, tap.events.at(-1)]).toEqual([[], 'linefeed.reconnect']);
  });

  it('a run that is deleted after its record was read ends as `gone`', async () => {
    const { clock, store, control, calls } = watchedRuns();
    const bench = createRunBench({ clock, runs: store });
    const run = bench.producer(ADDRESS);
    await run.start({ keepMs: 5_000 });
    await run.end({ outcome: 'done' }, 1);
    // Deleted before the follower of the record looks again.
    await clock.advance(4_950);
    const gate = createGate();
    control.beforeRead = async () => void (await gate.wait());
    const tap = await bench.open(PATH);
    await clock.advance(100);
    gate.open();
    await clock.advance(1_000);
    expect(tap.payloads).toEqual([]);
    expect(tap.of('linefeed.end')).toMatchObject([{ id: `~${run.run}.1.end`, data: { outcome: 'gone' } }]);
    expect(calls.read).toBeLessThan(3);
  });

  it('an event that a reader has read before its commit is confirmed is written once', async () => {
    const { clock, store } = watchedRuns();
    const confirmed = createGate();
    let isHeld = false;
    const slow: RunStore = {
      ...store,
      async commit(key, change) {
        const version = await store.commit(key, change);
        if (isHeld) await confirmed.wait();
        return version;
      },
    };
    const bench = createRunBench({ clock, runs: slow });
    const run = bench.producer(ADDRESS);
    await run.start();
    await run.append(1);
    const tap = await bench.open(PATH);
    isHeld = true;
    const appending = run.append(2);
    const other = await bench.open(PATH);
    expect([tap.payloads, other.payloads]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    confirmed.open();
    await appending;
    expect([tap.payloads, other.payloads]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('a delivery that is removed during a read writes nothing', async () => {
    const { clock, store, control } = watchedRuns();
    const bench = createRunBench({ clock, runs: store });
    const run = bench.producer(ADDRESS);
    await run.start();
    await run.append(1);
    const gate = createGate();
    control.beforeRead = async () => void (await gate.wait());
    const tap = await bench.open(entries('notice', `${ADDRESS}&key=a`));
    await bench.control(tap, { remove: [ADDRESS] });
    gate.open();
    await clock.advance(2_000);
    expect(tap.payloads).toEqual([]);
  });

  it('a read that fails is repeated, its connections stay open, and its failure is reported once', async () => {
    const { clock, store, calls, control } = watchedRuns();
    const { open, producer, errors } = createRunBench({ clock, runs: store });
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1, 2);
    const failure = new LinefeedError('runs_failed', 'away', { retryable: true });
    control.beforeRead = () => Promise.reject(failure);
    const taps = [await open(PATH), await open(PATH)];
    await clock.advance(3_000);
    expect([errors, taps.map((tap) => tap.payloads)]).toEqual([[failure], [[], []]]);
    control.beforeRead = async () => undefined;
    await clock.advance(1_000);
    expect(taps.map((tap) => [tap.payloads, tap.ended])).toEqual(taps.map(() => [[1, 2], false]));
    expect(calls.read).toBeLessThan(12);
  });
});

describe('two feeds with one store', () => {
  it('a reader of another feed gets each event once, and the end', async () => {
    const clock = createManualClock();
    const runs = memoryRuns({ clock });
    const [producing, reading] = [createRunBench({ clock, runs }), createRunBench({ clock, runs })];
    const run = producing.producer(ADDRESS);
    const early = await reading.open(PATH);
    await run.start();
    for (const n of range(1, 20)) await run.append(n);
    const late = await reading.open(PATH);
    const own = await producing.open(PATH);
    await run.end({ outcome: 'done', result: 'x' }, 21, 22);
    await clock.advance(100);
    for (const tap of [early, late, own]) {
      expect(tap.payloads).toEqual(range(1, 22));
      expect(tap.of('linefeed.end')).toEqual(own.of('linefeed.end'));
    }
    expect(own.of('linefeed.end')).toMatchObject([{ data: { outcome: 'done', result: 'x' } }]);
  });

  it('a request that has read a later run starts there, although the follower of the address has not seen it', async () => {
    const { clock, store } = watchedRuns();
    const { watch: _, ...runs } = store;
    const [producing, reading] = [createRunBench({ clock, runs }), createRunBench({ clock, runs })];
    const run = producing.producer(ADDRESS);
    await run.start();
    await run.end();
    const earlier = await reading.ask(PATH);
    await run.start();
    const later = await reading.ask(PATH);
    const taps = [connect(earlier), connect(later)];
    await clock.settle();
    expect(taps.map((tap) => (tap.dataOf('linefeed.run').at(-1) as { run: string }).run)).toEqual([
      run.run,
      run.run,
    ]);
    expect(taps[1]!.dataOf('linefeed.subscribed')).toMatchObject([{ run: { cursor: `${run.run}.0` } }]);
  });

  it('a reader gets the end `lost` after the feed of the producer is gone', async () => {
    const clock = createManualClock();
    const runs = memoryRuns({ clock });
    const [producing, reading] = [createRunBench({ clock, runs }), createRunBench({ clock, runs })];
    const run = producing.producer(ADDRESS);
    await run.start();
    await run.append(1);
    const tap = await reading.open(PATH);
    await producing.feed.close();
    await clock.advance(LEASE_MS + 1_000);
    expect(tap.of('linefeed.end')).toMatchObject([{ data: { run: run.run, outcome: 'lost' } }]);
  });
});
