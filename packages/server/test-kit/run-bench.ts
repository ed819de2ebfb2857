/** A feed with runs on a manual clock, and producers whose commits a test makes one by one. */
import { defineChannel, run, stream, type Channel } from '@linefeed/shared';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import * as z from 'zod';
import { createFeed } from '../src/lib/feed/create-feed.ts';
import { coreOf } from '../src/lib/feed/feed.ts';
import type { FeedOptions } from '../src/lib/feed/option-types.ts';
import type { Feed } from '../src/lib/feed/types.ts';
import { decideClaim } from '../src/lib/runs/claim.ts';
import { memoryRuns } from '../src/lib/runs/memory-runs.ts';
import { decideProduction } from '../src/lib/runs/produce.ts';
import type { RunEnd, RunState } from '../src/lib/runs/record-state.ts';
import type { RunRecords } from '../src/lib/runs/run-records.ts';
import type { RunStore } from '../src/lib/runs/run-store.ts';
import { driveFeed, type FeedDriver } from './feed-bench.ts';

const topics = {
  notice: z.object({ text: z.string() }),
  answer: run({ params: z.object({ chat: z.string() }), data: z.unknown(), result: z.unknown() }),
  job: run({ data: z.number() }),
  tick: stream({ data: z.number() }),
};
const chat: Channel<typeof topics> = defineChannel(topics as never);
type Chat = typeof chat;

export type RunBenchOptions<Context> = Partial<FeedOptions<Chat, Context>>;

export interface RunBench<Context> extends FeedDriver {
  readonly feed: Feed<Chat, Context>;
  readonly clock: ManualClock;
  /** The arguments of `onError`. */
  readonly errors: unknown[];
  readonly store: RunStore;
  readonly records: RunRecords;
  /** A producer of runs at an address. */
  producer(address: string): TestProducer;
}

/** The lease and the time that the runs of a test producer are kept. Milliseconds. */
export const LEASE_MS = 10_000;
export const KEEP_MS = 600_000;

export function createRunBench<Context = undefined>(
  options: RunBenchOptions<Context> = {},
): RunBench<Context> {
  const clock = (options.clock as ManualClock | undefined) ?? createManualClock();
  const store = options.runs ?? memoryRuns({ clock });
  const errors: unknown[] = [];
  const feed = createFeed({ ...chat }, {
    clock,
    runs: store,
    onError: (error: unknown) => errors.push(error),
    streams: {
      *tick() {
        yield 1;
      },
    },
    ...options,
  } as FeedOptions<Chat, Context>);
  const { records } = coreOf(feed as never).runs;
  return {
    ...driveFeed(feed, clock),
    feed,
    clock,
    errors,
    store,
    records,
    producer: (address) => new TestProducer(records, address, clock),
  };
}

let claims = 0;

/** Claims runs of one address and records their events. Each call is one commit, and readers have got it afterwards. */
export class TestProducer {
  readonly #records: RunRecords;
  readonly #address: string;
  readonly #clock: ManualClock;
  #state: RunState | undefined;
  #count = 0;

  constructor(records: RunRecords, address: string, clock: ManualClock) {
    this.#records = records;
    this.#address = address;
    this.#clock = clock;
  }

  /** The key of the run. */
  get key(): string | undefined {
    return this.#state!.key;
  }

  /** The id of the run. */
  get run(): string {
    return this.#state!.run;
  }

  /** Begins a run, or continues the one of this key if its lease has expired. */
  async start({
    key,
    attempts = 1,
    keepMs = KEEP_MS,
  }: { key?: string | undefined; attempts?: number; keepMs?: number } = {}): Promise<void> {
    claims += 1;
    const claim = String(claims).padStart(8, '0');
    const request = { claim, key, attempts, keepMs, leaseMs: LEASE_MS, whenBusy: 'refuse' as const };
    const result = await this.#records.change(this.#address, (record) =>
      decideClaim({ ...request, input: undefined, principal: undefined, slot: undefined }, record),
    );
    if (result.type !== 'claimed') throw new Error(`Not claimed: ${result.type}`);
    this.#state = result.state;
    this.#count = result.count;
    await this.#clock.settle();
  }

  async append(...values: readonly unknown[]): Promise<void> {
    await this.#commit(values);
  }

  /** Records the end, after these events. */
  async end(
    end: Omit<RunEnd, 'at' | 'count'> = { outcome: 'done' },
    ...values: readonly unknown[]
  ): Promise<void> {
    await this.#commit(values, end);
  }

  async #commit(values: readonly unknown[], end?: Omit<RunEnd, 'at' | 'count'>): Promise<void> {
    const { run, epoch } = this.#state!;
    const events = values.map((value) => JSON.stringify(value));
    const production = { run, epoch, after: this.#count, events, leaseMs: LEASE_MS, end };
    const { type } = await this.#records.change(
      this.#address,
      (record) => decideProduction(production, record),
      true,
    );
    if (type !== 'recorded') throw new Error(`Not recorded: ${type}`);
    this.#count += events.length;
    await this.#clock.settle();
  }
}
