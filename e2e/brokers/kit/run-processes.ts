/** Tests of two processes that share a store of runs: one produces, the other takes over, stops or reads. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { watchSlowness } from '../../kit/slowness.ts';
import { startJobFeed, type JobFeed } from './job-feeds.ts';
import { startJobReader, type JobReader } from './job-reader.ts';
import { LEASE_MS } from './jobs.ts';
import type { RunsSpec } from './runs-spec.ts';

export interface OpenedRuns {
  readonly spec: RunsSpec;
  close(): Promise<void>;
}

/** A time in which a change reaches another process, in milliseconds. */
const NOTICE_MS = 1_000;

/** Defines the tests. `open` starts the server, or makes the folder. */
export function testRunProcesses(open: () => Promise<OpenedRuns>): void {
  let opened: OpenedRuns;
  let one: JobFeed;
  let two: JobFeed;
  const readers: JobReader[] = [];

  beforeAll(async () => {
    opened = await open();
    [one, two] = await Promise.all([startJobFeed(opened.spec), startJobFeed(opened.spec)]);
  });
  afterAll(async () => {
    for (const reader of readers) reader.close();
    await Promise.all([one?.kill(), two?.kill()]);
    await opened?.close();
  });

  const read = (name: string, feeds: readonly JobFeed[], from?: string): JobReader => {
    const reader = startJobReader(
      name,
      feeds.map(({ origin }) => origin),
      from,
    );
    readers.push(reader);
    return reader;
  };

  test('50 starts at once with one key from two processes are one run', async () => {
    const starts = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? one : two));
    const results = await Promise.all(starts.map((feed) => feed.start({ name: 'many', key: 'k', count: 5 })));
    expect(new Set(results.map(({ run }) => run)).size).toBe(1);
    expect(results.filter(({ joined }) => !joined)).toHaveLength(1);
    const { run } = results[0]!;
    const begun = [...one.reports, ...two.reports].filter(
      (each) => each.type === 'begun' && each.run === run,
    );
    expect(begun).toHaveLength(1);
    for (const reader of [read('many', [one]), read('many', [two])]) {
      expect(await reader.ended(run)).toMatchObject({ outcome: 'done' });
      expect(reader.numbers(run)).toHaveLength(5);
    }
  });

  test('a stop in the other process aborts the producer in time, and resolves after the end is recorded', async () => {
    const { run } = await one.start({ name: 'stop' });
    const [near, far] = [read('stop', [one]), read('stop', [two])];
    await Promise.all([near.progress(run, 5), far.progress(run, 5)]);
    const slowness = watchSlowness();
    const at = Date.now();
    expect(await two.stop('stop')).toMatchObject({ run, outcome: 'stopped' });
    expect(await two.runs('stop')).toMatchObject([
      { run, status: 'ended', outcome: 'stopped', reason: 'asked' },
    ]);
    const aborted = one.reports.find((each) => each.type === 'aborted' && each.run === run);
    expect(aborted).toMatchObject({ at: expect.any(Number) });
    expect((aborted as { at: number }).at - at).toBeLessThan(NOTICE_MS * slowness());
    for (const reader of [near, far]) expect(await reader.ended(run)).toMatchObject({ outcome: 'stopped' });
  });

  test('a producer that is paused past its lease is lost, and writes nothing when it continues', async () => {
    const { run } = await one.start({ name: 'paused', key: 'first' });
    const reader = read('paused', [two]);
    await reader.progress(run, 5);
    const slowness = watchSlowness();
    one.pause();
    const at = Date.now();
    const end = await reader.ended(run);
    expect(end).toMatchObject({ outcome: 'lost' });
    expect(end.at - at).toBeLessThan(LEASE_MS + NOTICE_MS * slowness());
    const recorded = reader.numbers(run).length;
    const next = await two.start({ name: 'paused', key: 'second' });
    expect([next.joined, next.run > run]).toEqual([false, true]);
    await reader.progress(next.run, 5);
    one.resume();
    await vi.waitFor(
      () => expect(one.reports).toContainEqual(expect.objectContaining({ type: 'aborted', run })),
      60_000,
    );
    await reader.progress(next.run, 20);
    expect(await two.runs('paused')).toMatchObject([
      { run, status: 'ended', outcome: 'lost', events: recorded },
      { run: next.run, status: 'running', attempt: 1 },
    ]);
    // A late reader, in the process of the stale producer.
    const late = read('paused', [one], `~${run}.0`);
    await late.ended(run);
    expect(late.numbers(run)).toHaveLength(recorded);
    await late.progress(next.run, 5);
    expect(await one.stop('paused')).toMatchObject({ run: next.run, outcome: 'stopped' });
    expect((await reader.ended(run)).outcome).toBe('lost');
    await Promise.all([late, reader].map((each) => each.ended(next.run)));
    const writers = new Set(
      late.entries.flatMap((entry) => (entry.type === 'event' ? [`${entry.run} ${entry.by}`] : [])),
    );
    expect(writers.size, 'each run has one producer').toBe(2);
  });

  test('runs of a killed process end as lost for every reader, or are continued by another process', async () => {
    const { run } = await one.start({ name: 'killed', key: 'first' });
    const call = { name: 'continued', key: 'k', attempts: 2 };
    const continued = await one.start(call);
    const [moving, staying] = [read('killed', [one, two]), read('killed', [two])];
    const reader = read('continued', [two]);
    const progress = [moving, staying].map((each) => each.progress(run, 5));
    await Promise.all([...progress, reader.progress(continued.run, 5)]);
    const slowness = watchSlowness();
    await one.kill();
    const at = Date.now();
    const continuing = continueExpired(two, call);
    const ends = await Promise.all([moving.ended(run), staying.ended(run)]);
    const factor = slowness();
    for (const end of ends) {
      expect(end).toMatchObject({ outcome: 'lost' });
      expect(end.at - at).toBeLessThan(LEASE_MS + NOTICE_MS * factor);
    }
    expect(await continuing).toMatchObject({ run: continued.run, joined: false });
    expect(await reader.ended(continued.run)).toMatchObject({ outcome: 'done' });
    const stored = two.reports.flatMap((each) =>
      each.type === 'begun' && each.run === continued.run ? [each.stored] : [],
    );
    expect(reader.numbers(continued.run)).toHaveLength(stored[0]! + 5);
    const attempts = reader.entries.flatMap((entry) => (entry.type === 'run' ? [entry.attempt] : []));
    expect(attempts).toEqual([1, 2]);
    expect(await two.start({ name: 'killed', key: 'first' })).toMatchObject({ run, joined: true });
    const next = await two.start({ name: 'killed', key: 'second', count: 5 });
    expect([next.joined, next.run > run]).toEqual([false, true]);
    for (const each of [moving, staying])
      expect(await each.ended(next.run)).toMatchObject({ outcome: 'done' });
  });
}

/** Continues the run of a dead process when its lease has expired, and before it is lost. */
async function continueExpired(
  feed: JobFeed,
  call: Parameters<JobFeed['start']>[0],
): Promise<{ run: string; joined: boolean }> {
  await vi.waitFor(async () => expect(await feed.runs(call.name)).toMatchObject([{ status: 'expired' }]), {
    timeout: 60_000,
    interval: 50,
  });
  return await feed.start({ ...call, count: 5 });
}
