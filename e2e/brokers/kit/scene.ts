/** Two feed processes on one log, nginx in front of them, and readers: most tests of failures begin with this. */
import { expect, vi } from 'vitest';
import { startNginx } from '../../kit/nginx.ts';
import { count, type CountedRun, type Counts, type Seen } from './count.ts';
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
  /** Removes a reader. */
  leave(reader: Reader): void;
  /** Text for a failure: the exact counters, and the reports of the processes. */
  describe: () => string;
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
  const feeds = await Promise.all(Array.from({ length: processes }, () => startFeed({ log })));
  const nginx = await startNginx(feeds.map(({ port }) => port));
  const readers: Reader[] = [];
  const runs: Run[] = [];
  const starts = new Map<Run, Map<Reader, number>>();
  const countOf = (reader: Reader): Counts => {
    // A run counts for the readers that were there at its beginning.
    const counted = runs.flatMap((run): CountedRun[] => {
      const start = starts.get(run)?.get(reader);
      return start === undefined ? [] : [{ name: run.name, acknowledged: run.acknowledged, start }];
    });
    const epoch = [...(runs.at(-1)?.acknowledged.values() ?? [])].at(-1) ?? '';
    return count(reader.seen, counted, epoch);
  };
  const begin = (run: Run): Run => {
    runs.push(run);
    starts.set(run, new Map(readers.map((reader) => [reader, reader.seen.length])));
    return run;
  };
  /** The text of the scene only after a failure: to make it at each poll would take most of the test's CPU time. */
  const eventually = async (check: () => void): Promise<void> => {
    try {
      await vi.waitFor(check, 60_000);
    } catch (error) {
      throw new Error(scene.describe(), { cause: error });
    }
  };
  const scene: Scene = {
    feeds,
    readers,
    runs,
    publish(index, name, options) {
      return begin(feeds[index]!.publish(name, options));
    },
    async read(name, origin = nginx.origin) {
      const reader = await startReader(name, origin);
      readers.push(reader);
      return reader;
    },
    leave(reader) {
      reader.close();
      readers.splice(readers.indexOf(reader), 1);
    },
    async restart(index) {
      await feeds[index]!.kill();
      feeds[index] = await startFeed({ log, port: feeds[index]!.port });
    },
    async progress(run, more) {
      const goal = run.acknowledged.size + more;
      await eventually(() => expect(run.acknowledged.size).toBeGreaterThanOrEqual(goal));
    },
    async settle() {
      await Promise.all(runs.map((run) => run.stop()));
      // Published after everything else, to both addresses: a reader that has it has all.
      const last = begin(feeds.at(-1)!.publish(`last ${runs.length}`, { everyMs: 5 }));
      await eventually(() => expect(last.acknowledged.size).toBeGreaterThan(2));
      await last.stop();
      const [end, before] = [...last.acknowledged.keys()].slice(-2).toReversed() as [number, number];
      await eventually(() => {
        for (const { name, has } of readers) {
          expect([has(last.name, before), has(last.name, end)], name).toEqual([true, true]);
        }
      });
      const counts = Object.fromEntries(readers.map((reader) => [reader.name, countOf(reader)]));
      for (const [name, { missingUnannounced, doubled, disordered }] of Object.entries(counts)) {
        expect({ missingUnannounced, doubled, disordered }, `${name} ${scene.describe()}`).toEqual({
          missingUnannounced: 0,
          doubled: 0,
          disordered: 0,
        });
      }
      return counts;
    },
    describe: () => '',
    async close() {
      for (const reader of readers) reader.close();
      await nginx.close();
      await Promise.all(feeds.map((feed) => feed.kill()));
    },
  };
  const describe = (): string =>
    JSON.stringify(
      {
        counts: Object.fromEntries(readers.map((reader) => [reader.name, countOf(reader)])),
        gaps: Object.fromEntries(readers.map(({ name, seen }) => [name, gapsOf(seen)])),
        acknowledged: Object.fromEntries(runs.map(({ name, acknowledged }) => [name, acknowledged.size])),
        rejected: Object.fromEntries(runs.map(({ name, outcomes }) => [name, reasonsOf(outcomes)])),
        readerErrors: readers.flatMap(({ errors }) => errors).slice(-10),
        processErrors: feeds.map(({ errors }) => errors.slice(-10)),
      },
      undefined,
      1,
    );
  scene.describe = describe;
  return scene;
}

function gapsOf(seen: readonly Seen[]): string[] {
  return seen.flatMap((each) => ('gap' in each ? [each.gap] : []));
}

function reasonsOf(outcomes: Run['outcomes']): string[] {
  return [...new Set(outcomes.flatMap(({ error }) => (error ? [error.message] : [])))].slice(0, 5);
}
