/** Contract of a store of runs: the promises of runs, with feeds of two processes over the store. */
import assert from 'node:assert/strict';
import { LEASE_MS, Steps, withFeeds, type FeedProcess, type RunReader } from './run-feed-bench.ts';
import { hasCode, type RunStoreBench, type RunStoreCaseBody } from './run-store-bench.ts';

/** Events of a run. */
const EVENTS = 6;
/** Time in which another process must notice a change. A busy machine may slow a server down. Milliseconds. */
const NOTICE_MS = { manual: 1_000, real: 5_000 };

function noticeMs({ isRealTime }: RunStoreBench): number {
  return isRealTime ? NOTICE_MS.real : NOTICE_MS.manual;
}

/** The numbers of the events that the store has of a run. */
async function recorded(bench: RunStoreBench, run: string): Promise<number[]> {
  const events = await bench.read('job', run);
  return events.map((event) => (JSON.parse(event) as { n: number }).n);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function untilRecorded(bench: RunStoreBench, reader: RunReader, count: number): Promise<void> {
  await bench.until(`${count} events`, () => reader.steps.length >= count);
}

/** Starts a run that has this number of events, and returns a reader of each process. */
async function startRun(
  bench: RunStoreBench,
  [one, two]: readonly [FeedProcess, FeedProcess],
  steps: Steps,
  options: { key?: string; attempts?: number; leaseMs?: number } = {},
): Promise<{ run: string; readers: readonly RunReader[] }> {
  const { run, joined } = await bench.finish(one.feed.start('job', steps.source, options));
  assert.equal(joined, false);
  const readers = [await one.read(), await two.read()];
  steps.upTo(3);
  for (const reader of readers) await untilRecorded(bench, reader, 3);
  return { run, readers };
}

export const runFeedCases: readonly RunStoreCaseBody[] = [
  {
    name: 'a reader that resumes after any event of a run gets the rest of it, byte for byte, while it runs and after its end',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const processes = [one, two];
        const steps = new Steps();
        const { run } = await bench.finish(one.feed.start('job', steps.source));
        const whole = await one.read();
        const resumed: Array<{ after: number; reader: RunReader }> = [];
        const resumeAll = async (count: number) => {
          for (let after = 0; after <= count; after += 1)
            for (const process of processes)
              resumed.push({ after, reader: await process.read(`~${run}.${after}`) });
        };
        for (let count = 0; count <= EVENTS; count += 1) {
          steps.upTo(count);
          await untilRecorded(bench, whole, count);
          await resumeAll(count);
        }
        steps.finish();
        await bench.until('the end', () => whole.ends.length === 1);
        await resumeAll(EVENTS);
        assert.deepEqual(whole.ids, [
          ...upTo(EVENTS).map((n) => `~${run}.${n}`),
          `~${run}.${EVENTS + 1}.end`,
        ]);
        assert.deepEqual(whole.ends[0], { ...whole.ends[0], run, outcome: 'done', result: 'all' });
        for (const { after, reader } of resumed) {
          await bench.until(`the rest after ${after}`, () => reader.ends.length === 1);
          assert.deepEqual(reader.frames, whole.frames.slice(after));
        }
        const ended = await two.read(whole.ids.at(-1));
        await bench.pass(300);
        assert.deepEqual(ended.frames, [], 'a reader that has the end gets nothing again');
      }),
  },
  {
    name: 'of 50 starts at once with one key by two processes, one starts the run and the others join it',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const steps = new Steps();
        const started = await bench.all(
          upTo(50).map((n) =>
            [one, two][n % 2]!.feed.start('job', steps.source, { key: 'k', input: { a: 1 } }),
          ),
        );
        assert.equal(new Set(started.map(({ run }) => run)).size, 1, 'there is one run');
        assert.equal(started.filter(({ joined }) => !joined).length, 1, 'one start has started it');
        await bench.until('the source', () => steps.calls.length > 0);
        const conflict = two.feed.start('job', steps.source, { key: 'k', input: { a: 2 } });
        await assert.rejects(bench.finish(conflict), hasCode('idempotency_conflict'));
        const busy = two.feed.start('job', steps.source, { key: 'other', whenBusy: 'refuse' });
        await assert.rejects(bench.finish(busy), hasCode('run_busy'));
        assert.equal(steps.calls.length, 1, 'the source is called once');
        assert.equal((await bench.finish(two.feed.runs('job'))).length, 1);
      }),
  },
  {
    name: 'a stop by another process aborts the signal in time, and resolves when the end is recorded',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const steps = new Steps();
        // The producer would notice the stop when it renews its lease.
        const { run, readers } = await startRun(bench, [one, two], steps, { leaseMs: 30 * LEASE_MS });
        const { signal } = steps.calls[0]!;
        const before = bench.clock.now();
        const stopping = two.feed.stop('job', { reason: 'user' });
        stopping.catch(() => undefined);
        await bench.until('the abort', () => signal.aborted);
        const elapsed = bench.clock.now() - before;
        assert.ok(elapsed <= noticeMs(bench), `aborted after ${elapsed} ms`);
        assert.deepEqual(await bench.finish(stopping), { run, outcome: 'stopped' });
        const [info] = await bench.finish(two.feed.runs('job'));
        assert.deepEqual([info?.outcome, info?.reason, info?.events], ['stopped', 'user', 3]);
        for (const reader of readers) {
          await bench.until('the end', () => reader.ends.length > 0);
          assert.deepEqual(reader.ends[0], { ...reader.ends[0], run, outcome: 'stopped', reason: 'user' });
        }
        assert.equal(
          await bench.finish(one.feed.stop('job', { run })).then((end) => end?.outcome),
          'stopped',
        );
      }),
  },
  {
    name: 'a run whose producer has died is lost in time for all readers, and the next start is another run',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const { run, readers } = await startRun(bench, [one, two], new Steps());
        const [, reader] = readers as [RunReader, RunReader];
        const late = await two.read();
        one.kill();
        const before = bench.clock.now();
        await bench.until('the end', () => reader.ends.length > 0 && late.ends.length > 0);
        const elapsed = bench.clock.now() - before;
        assert.ok(elapsed <= LEASE_MS + noticeMs(bench), `lost after ${elapsed} ms`);
        for (const { ends, frames } of [reader, late]) {
          assert.deepEqual([ends[0]!.run, ends[0]!.outcome], [run, 'lost']);
          assert.equal(frames.length, 4);
        }
        const steps = new Steps();
        const next = await bench.finish(two.feed.start('job', steps.source));
        assert.ok(next.run > run && !next.joined, 'the next run has a greater id');
        steps.upTo(2);
        steps.finish();
        await bench.until('the next end', () => reader.ends.length > 1);
        assert.deepEqual(reader.ends[1], { ...reader.ends[1], run: next.run, outcome: 'done' });
        assert.deepEqual([await recorded(bench, run), await recorded(bench, next.run)], [upTo(3), upTo(2)]);
      }),
  },
  {
    name: 'a producer that was paused for longer than its lease writes nothing more, and its signal aborts',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const steps = new Steps();
        const { run, readers } = await startRun(bench, [one, two], steps);
        const reader = readers[1]!;
        const resume = one.pause();
        steps.upTo(4);
        await bench.until('the end', () => reader.ends.length > 0);
        const other = new Steps();
        const next = await bench.finish(two.feed.start('job', other.source));
        other.upTo(2);
        await untilRecorded(bench, reader, 5);
        resume();
        await bench.until('the abort', () => steps.calls[0]!.signal.aborted);
        steps.upTo(9);
        await bench.pass(LEASE_MS);
        assert.deepEqual([await recorded(bench, run), await recorded(bench, next.run)], [upTo(3), upTo(2)]);
        other.finish();
        await bench.until('the next end', () => reader.ends.length > 1);
        assert.deepEqual(
          reader.ends.map((end) => [end.run, end.outcome]),
          [
            [run, 'lost'],
            [next.run, 'done'],
          ],
        );
      }),
  },
  {
    name: 'another attempt continues a run whose producer has died, and readers get each event once',
    run: (bench) =>
      withFeeds(bench, async (one, two) => {
        const options = { key: 'k', attempts: 2 };
        const { run, readers } = await startRun(bench, [one, two], new Steps(), options);
        const reader = readers[1]!;
        one.kill();
        const steps = new Steps();
        const starting = (async () => {
          while (steps.calls.length === 0) {
            assert.equal((await two.feed.start('job', steps.source, options)).run, run);
            await new Promise<void>((resolve) => void bench.clock.after(200, resolve));
          }
        })();
        await bench.finish(starting);
        const { attempt, stored } = steps.calls[0]!;
        assert.deepEqual([attempt, stored.map(({ n }) => n)], [2, upTo(3)]);
        steps.upTo(5);
        steps.finish();
        const late = await two.read(`~${run}.1`);
        await bench.until('the end', () => reader.ends.length > 0 && late.ends.length > 0);
        assert.deepEqual(
          reader.steps.map(({ n }) => n),
          upTo(5),
        );
        assert.deepEqual(late.frames, reader.frames.slice(1));
        assert.equal(reader.ends[0]!.outcome, 'done');
      }),
  },
];
