/** Two feed processes on one log, behind nginx, with readers: what most tests of failures begin with. */
import { expect, vi } from 'vitest';
import { startNginx } from '../../kit/nginx.ts';
import { count, type Counts } from './count.ts';
import { startFeed, type FeedProcess, type Run } from './feeds.ts';
import type { LogSpec } from './log-spec.ts';
import { startReader, type Reader } from './reader.ts';

export interface Scene {
  readonly feeds: FeedProcess[];
  readonly readers: Reader[];
  readonly runs: Run[];
  /** Begins to publish in the process of this index. */
  publish(index: number, run: string, options?: Parameters<FeedProcess['publish']>[1]): Run;
  /** Adds a reader; default: through nginx. */
  read(name: string, origin?: string): Promise<Reader>;
  /** Starts the process of this index again, after its end. */
  restart(index: number): Promise<void>;
  /** Waits until the log has acknowledged `more` numbers from now on. */
  progress(run: Run, more: number): Promise<void>;
  /**
   * Stops publishing, waits until each reader has the last number of each run, and expects: nothing missing without a
   * gap, nothing doubled, nothing out of order. Returns the counts of each reader.
   */
  settle(): Promise<Record<string, Counts>>;
  close(): Promise<void>;
}

export async function startScene(log: LogSpec, { processes = 2 } = {}): Promise<Scene> {
  const feeds: FeedProcess[] = [];
  for (let index = 0; index < processes; index += 1) feeds.push(await startFeed({ log }));
  const nginx = await startNginx(feeds.map(({ port }) => port));
  const readers: Reader[] = [];
  const runs: Run[] = [];
  const scene: Scene = {
    feeds,
    readers,
    runs,
    publish(index, name, options) {
      const run = feeds[index]!.publish(name, options);
      runs.push(run);
      return run;
    },
    async read(name, origin = nginx.origin) {
      const reader = await startReader(name, origin);
      readers.push(reader);
      return reader;
    },
    async restart(index) {
      await feeds[index]!.kill();
      feeds[index] = await startFeed({ log, port: feeds[index]!.port });
    },
    async progress(run, more) {
      const goal = run.acknowledged.size + more;
      await vi.waitFor(() => expect(run.acknowledged.size, describe()).toBeGreaterThanOrEqual(goal), 60_000);
    },
    async settle() {
      await Promise.all(runs.map((run) => run.stop()));
      // Published after everything else, to both addresses: a reader that has it has all.
      const last = feeds.at(-1)!.publish(`last ${runs.length}`, { everyMs: 5 });
      await vi.waitFor(() => expect(last.acknowledged.size, describe()).toBeGreaterThan(2), 60_000);
      await last.stop();
      runs.push(last);
      const [end, before] = [...last.acknowledged].slice(-2).toReversed() as [number, number];
      await vi.waitFor(() => {
        for (const { name, has } of readers) {
          expect([has(last.name, before), has(last.name, end)], `${name} ${describe()}`).toEqual([
            true,
            true,
          ]);
        }
      }, 60_000);
      const counts = Object.fromEntries(readers.map(({ name, seen }) => [name, count(seen, runs)]));
      for (const [name, { missingUnannounced, doubled, disordered }] of Object.entries(counts)) {
        expect({ missingUnannounced, doubled, disordered }, `${name} ${describe()}`).toEqual({
          missingUnannounced: 0,
          doubled: 0,
          disordered: 0,
        });
      }
      return counts;
    },
    async close() {
      for (const reader of readers) reader.close();
      await nginx.close();
      await Promise.all(feeds.map((feed) => feed.kill()));
    },
  };
  /** Text for a failure: the exact counters and what the processes reported. */
  const describe = (): string =>
    JSON.stringify(
      {
        counts: Object.fromEntries(readers.map(({ name, seen }) => [name, count(seen, runs)])),
        gaps: Object.fromEntries(
          readers.map(({ name, seen }) => [name, seen.flatMap((each) => ('gap' in each ? [each.gap] : []))]),
        ),
        acknowledged: Object.fromEntries(runs.map(({ name, acknowledged }) => [name, acknowledged.size])),
        rejected: Object.fromEntries(
          runs.map(({ name, outcomes }) => [
            name,
            [...new Set(outcomes.flatMap(({ error }) => (error ? [error.message] : [])))].slice(0, 5),
          ]),
        ),
        readerErrors: readers.flatMap(({ errors }) => errors).slice(-10),
        processErrors: feeds.map(({ errors }) => errors.slice(-10)),
      },
      undefined,
      1,
    );
  return scene;
}
