/** Feeds over the store of a case, their readers, and processes that die or pause. */
import assert from 'node:assert/strict';
import { defineChannel, run, type Channel, type Schema, type TopicDefinition } from '@linefeed/shared';
import type { ManualClock } from '@linefeed/shared/testing';
import { createFeed } from '../feed/create-feed.ts';
import type { RunContext } from '../feed/run-types.ts';
import type { Feed } from '../feed/types.ts';
import type { RunStore } from '../runs/run-store.ts';
import type { RunStoreBench } from './run-store-bench.ts';

/** The lease of every run. The shortest one. Milliseconds. */
export const LEASE_MS = 1_000;
const POLL_MS = 100;

interface Step {
  readonly n: number;
  readonly text: string;
}

function schemaOf<T>(): Schema<T> {
  return {
    '~standard': { version: 1, vendor: 'linefeed', validate: (value) => ({ value: value as T }) },
  };
}

type Jobs = Channel<{ readonly job: TopicDefinition<undefined, Schema<Step>, 'run', Schema<string>> }>;
type JobContext = RunContext<Jobs, 'job'>;

function openFeed(runs: RunStore, clock: ManualClock): Feed<Jobs, undefined> {
  // A channel for each process: a feed warns of another one with the same channel in its process.
  const jobs = defineChannel({ job: run({ data: schemaOf<Step>(), result: schemaOf<string>() }) });
  return createFeed(jobs, {
    runs,
    clock,
    authorize: () => true,
    pingMs: false,
    runLeaseMs: LEASE_MS,
    runPollMs: POLL_MS,
    // Failures of the store during a fault.
    onError: () => undefined,
  });
}

/** A process of its own for a case: a feed, and a store that it can no longer reach once it is dead or paused. */
export class FeedProcess {
  readonly feed: Feed<Jobs, undefined>;
  readonly #bench: RunStoreBench;
  readonly #readers: RunReader[] = [];
  #running: Promise<void> = Promise.resolve();
  #isDead = false;

  constructor(bench: RunStoreBench, store: RunStore) {
    this.#bench = bench;
    this.feed = openFeed(this.#over(store), bench.clock);
  }

  #over(store: RunStore): RunStore {
    const passing = async <T>(call: () => Promise<T>): Promise<T> => {
      await this.#running;
      const answer = await call();
      await this.#running;
      return answer;
    };
    const over: RunStore = {
      load: (key) => passing(() => store.load(key)),
      commit: (key, change) => passing(() => store.commit(key, change)),
      read: (key, runId, after, limit) => passing(() => store.read(key, runId, after, limit)),
      versions: (keys) => passing(() => store.versions(keys)),
      list: (prefix) => passing(() => store.list(prefix)),
      close: () => Promise.resolve(),
    };
    if (store.watch !== undefined) over.watch = (listener) => store.watch!(listener);
    return over;
  }

  /** The process does nothing more. */
  kill(): void {
    this.#isDead = true;
    this.#running = new Promise(() => undefined);
  }

  /** The process pauses until the result is called. */
  pause(): () => void {
    let resume!: () => void;
    this.#running = new Promise((resolve) => (resume = resolve));
    return resume;
  }

  /** Opens a reader. `id`: the last id that it has. */
  async read(id?: string): Promise<RunReader> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (id !== undefined) headers['last-event-id'] = id;
    const request = new Request('http://feed.test/events/job', { headers });
    const response = await this.#bench.finish(this.feed.handle(request));
    assert.equal(response.status, 200, `a reader gets ${response.status}`);
    const reader = new RunReader(response);
    this.#readers.push(reader);
    return reader;
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) reader.leave();
    if (!this.#isDead) await this.#bench.finish(this.feed.close());
  }
}

/** One response of a feed. */
export class RunReader {
  /** The frames of events and ends, as text. */
  readonly frames: string[] = [];
  readonly #body: ReadableStreamDefaultReader<Uint8Array>;

  constructor(response: Response) {
    this.#body = response.body!.getReader();
    void this.#readAll().catch(() => undefined);
  }

  async #readAll(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for (let part = await this.#body.read(); !part.done; part = await this.#body.read()) {
      const frames = (rest + decoder.decode(part.value, { stream: true })).split('\n\n');
      rest = frames.pop()!;
      this.frames.push(...frames.filter((frame) => /^event: ?(job|linefeed\.end)$/m.test(frame)));
    }
  }

  get ids(): string[] {
    return this.frames.map((frame) => /^id: ?(.*)$/m.exec(frame)?.[1] ?? '');
  }

  /** The data of the ends. */
  get ends(): ReadonlyArray<{ run: string; outcome: string; result?: unknown; reason?: string }> {
    return this.frames
      .filter((frame) => /^event: ?linefeed\.end$/m.test(frame))
      .map((frame) => JSON.parse(/^data: ?(.*)$/m.exec(frame)![1]!) as never);
  }

  /** The data of the events. */
  get steps(): readonly Step[] {
    return this.frames
      .filter((frame) => /^event: ?job$/m.test(frame))
      .map((frame) => JSON.parse(/^data: ?(.*)$/m.exec(frame)![1]!) as Step);
  }

  leave(): void {
    void this.#body.cancel().catch(() => undefined);
  }
}

/** Runs a case with two processes, on two handles. */
export async function withFeeds(
  bench: RunStoreBench,
  body: (one: FeedProcess, two: FeedProcess) => Promise<void>,
): Promise<void> {
  const processes = [
    new FeedProcess(bench, bench.store),
    new FeedProcess(bench, await bench.open()),
  ] as const;
  try {
    await body(...processes);
  } finally {
    for (const process of processes) await process.close();
  }
}

/** A source that yields as many steps as its case wants, and returns after `finish`. */
export class Steps {
  /** The contexts of its calls. */
  readonly calls: JobContext[] = [];
  #wanted = 0;
  #isFinished = false;
  #wake: () => void = () => undefined;

  readonly source = (context: JobContext): AsyncIterable<Step, string, undefined> => {
    this.calls.push(context);
    return this.#run(context);
  };

  async *#run({ signal, stored }: JobContext): AsyncGenerator<Step, string, undefined> {
    signal.addEventListener('abort', () => this.#wake());
    for (let n = stored.length + 1; ;) {
      if (signal.aborted) return 'aborted';
      if (n <= this.#wanted) {
        yield { n, text: `step ${n} ✓ "\\n"` };
        n += 1;
      } else if (this.#isFinished) return 'all';
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Yields steps up to this number. */
  upTo(n: number): void {
    this.#wanted = n;
    this.#wake();
  }

  finish(): void {
    this.#isFinished = true;
    this.#wake();
  }
}
