/** What runs have to do when the server of their store is away, and when it has lost commits. */
import { expect, vi } from 'vitest';
import { startJobFeed, type JobFeed } from './job-feeds.ts';
import { startJobReader, type JobReader } from './job-reader.ts';
import { LEASE_MS } from './jobs.ts';
import type { RunsSpec } from './runs-spec.ts';

/** Two processes on one store. */
export interface RunScene {
  readonly feeds: readonly [JobFeed, JobFeed];
  /** Readers in both processes. */
  read(name: string): readonly JobReader[];
  close(): Promise<void>;
}

export async function startRunScene(spec: RunsSpec): Promise<RunScene> {
  const feeds = await Promise.all([startJobFeed(spec), startJobFeed(spec)]);
  const readers: JobReader[] = [];
  return {
    feeds,
    read(name) {
      const added = feeds.map(({ origin }) => startJobReader(name, [origin]));
      readers.push(...added);
      return added;
    },
    async close() {
      for (const reader of readers) reader.close();
      await Promise.all(feeds.map((feed) => feed.kill()));
    },
  };
}

export interface RunOutage {
  /** The address, of its own for each outage. */
  readonly name: string;
  away(): Promise<void> | void;
  back(): Promise<void> | void;
  /** The newest commits may be lost: the run may end as lost, with an end for all. */
  readonly losesCommits?: boolean;
}

/** The server is away for longer than a lease, and returns with its data. The run goes on, and loses nothing. */
export async function expectRunOutage(
  { feeds, read }: RunScene,
  { name, away, back, losesCommits = false }: RunOutage,
): Promise<void> {
  const [one, two] = feeds;
  const { run } = await one.start({ name });
  const readers = read(name);
  await Promise.all(readers.map((reader) => reader.progress(run, 10)));
  const reported = one.errors.length;
  await away();
  await expect(two.start({ name: `${name} meanwhile` })).rejects.toThrow(
    /runs_failed|cannot be used|did not answer/,
  );
  await vi.waitFor(() => expect(one.errors.length).toBeGreaterThan(reported), 60_000);
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
  await back();
  if (losesCommits && (await isLost(readers, run))) return;
  await Promise.all(readers.map((reader) => reader.progress(run, 20)));
  await stopWhenPossible(two, name);
  for (const reader of readers) expect(await reader.ended(run)).toMatchObject({ outcome: 'stopped' });
  const [listed] = await two.runs(name);
  for (const reader of readers) expect(reader.numbers(run)).toHaveLength(listed!.events);
}

/** Waits until the run goes on, or has ended for every reader. */
async function isLost(readers: readonly JobReader[], run: string): Promise<boolean> {
  const goesOn = Promise.all(readers.map((reader) => reader.progress(run, 20))).then(() => false);
  const ended = Promise.all(readers.map((reader) => reader.ended(run))).then((ends) => {
    for (const { outcome } of ends) expect(['lost', 'gone']).toContain(outcome);
    return true;
  });
  for (const each of [goesOn, ended]) each.catch(() => undefined);
  return await Promise.any([goesOn, ended]);
}

/** A connection that was silent may fail once more. */
async function stopWhenPossible(feed: JobFeed, name: string): Promise<void> {
  await vi.waitFor(() => feed.stop(name), { timeout: 60_000, interval: 500 });
}

export interface RunLoss {
  readonly name: string;
  /** Runs while at least ten events are recorded that are lost. */
  before?(): Promise<void> | void;
  /** Makes the server lose commits. */
  lose(): Promise<void> | void;
  /** What readers get. */
  readonly outcome: 'gone' | 'lost';
}

/** The server loses commits that it has acknowledged. The run ends for all, its producer too, and another one can start. */
export async function expectRunLoss(
  { feeds, read }: RunScene,
  { name, before, lose, outcome }: RunLoss,
): Promise<void> {
  const [one, two] = feeds;
  const { run } = await one.start({ name, key: 'first' });
  const readers = read(name);
  await Promise.all(readers.map((reader) => reader.progress(run, 10)));
  await before?.();
  await Promise.all(readers.map((reader) => reader.progress(run, 10)));
  await lose();
  for (const reader of readers) expect(await reader.ended(run)).toMatchObject({ outcome });
  await vi.waitFor(
    () => expect(one.reports).toContainEqual(expect.objectContaining({ type: 'aborted', run })),
    60_000,
  );
  const next = await vi.waitFor(() => two.start({ name, key: 'second', count: 10 }), {
    timeout: 60_000,
    interval: 500,
  });
  expect(next.joined).toBe(false);
  for (const reader of readers) expect(await reader.ended(next.run)).toMatchObject({ outcome: 'done' });
}
