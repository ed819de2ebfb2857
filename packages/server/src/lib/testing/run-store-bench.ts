/** The environment of a case of the contract of stores of runs: handles, faults, and checks of what a store returns. */
import assert from 'node:assert/strict';
import { LinefeedError } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import type { RecordChange, RunStore, StoredRecord } from '../runs/run-store.ts';
import { CaseBench, STEP_MS } from './case-bench.ts';
import type { CaseBody } from './contract.ts';
import {
  RUN_STORE_FAULTS,
  type CreateRunStoreUnderTest,
  type RunStoreNeed,
  type RunStoreTraits,
  type RunStoreUnderTest,
} from './run-store-under-test.ts';

export type RunStoreCaseBody = CaseBody<RunStoreBench, RunStoreNeed>;

/** A lease and a time to keep that no case reaches. */
export const LONG_MS = 3_600_000;
/** A time that a case waits for. Short, because a store on a server needs as much real time. */
export const SHORT_MS = 300;
/** Limit of a read that no case reaches. */
const NO_LIMIT = { events: 1_000_000, bytes: 2 ** 30 };

export class RunStoreBench extends CaseBench<RunStore> {
  /** The first handle. */
  store!: RunStore;

  static async create(create: CreateRunStoreUnderTest, traits: RunStoreTraits): Promise<RunStoreBench> {
    const clock = createManualClock();
    const bench = new RunStoreBench(clock, await create({ clock }), traits);
    try {
      bench.store = await bench.open();
      bench.checkFaults(RUN_STORE_FAULTS, traits.faults);
      const { watches = false } = traits;
      assert.equal(bench.store.watch !== undefined, watches, 'watch() exists if the trait watches is set');
    } catch (error) {
      await bench.dispose();
      throw error;
    }
    return bench;
  }

  private constructor(clock: ManualClock, subject: RunStoreUnderTest, traits: RunStoreTraits) {
    super(clock, subject, traits);
  }

  async load(key: string, store: RunStore = this.store): Promise<StoredRecord | undefined> {
    return await this.finish(store.load(key));
  }

  /** Loads a record that must exist. */
  async loaded(key: string, store: RunStore = this.store): Promise<StoredRecord> {
    const record = await this.load(key, store);
    assert.ok(record !== undefined, `there is a record of ${JSON.stringify(key)}`);
    return record;
  }

  async commit(key: string, change: RecordChange, store: RunStore = this.store): Promise<number | undefined> {
    return await this.finish(store.commit(key, change));
  }

  /** Makes a commit that must be performed, and returns the version. */
  async write(key: string, change: Partial<RecordChange>, store: RunStore = this.store): Promise<number> {
    const version = await this.commit(key, changeOf(change), store);
    assert.ok(version !== undefined, 'the commit is performed');
    return version;
  }

  /** Changes the record by load and commit, until a commit is performed. Errors that allow a repeat do not end it. */
  async update(
    key: string,
    change: (record: StoredRecord | undefined) => Partial<RecordChange> | undefined,
    store: RunStore = this.store,
  ): Promise<void> {
    for (;;) {
      try {
        const record = await store.load(key);
        const next = change(record);
        if (next === undefined) return;
        if ((await store.commit(key, changeOf({ expected: record?.version, ...next }))) !== undefined) return;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await new Promise<void>((resolve) => void this.clock.after(STEP_MS, resolve));
      }
    }
  }

  async read(
    key: string,
    run: string,
    after = 0,
    limit: { events?: number; bytes?: number } = {},
    store: RunStore = this.store,
  ): Promise<readonly string[]> {
    return await this.finish(store.read(key, run, after, { ...NO_LIMIT, ...limit }));
  }

  async versions(
    keys: readonly string[],
    store: RunStore = this.store,
  ): Promise<ReadonlyArray<number | undefined>> {
    const versions = await this.finish(store.versions(keys));
    assert.equal(versions.length, keys.length, 'there is a version for each key');
    return versions;
  }

  /** The keys with the prefix, sorted. */
  async list(prefix: string, store: RunStore = this.store): Promise<readonly string[]> {
    return (await this.finish(store.list(prefix))).toSorted();
  }

  /** Waits until the record is deleted. */
  async untilGone(key: string): Promise<void> {
    await this.pass(SHORT_MS);
    assert.equal(await this.load(key), undefined, 'the record is deleted after keepMs');
  }
}

/** A change with a state, a long lease and a long time to keep. */
export function changeOf(change: Partial<RecordChange>): RecordChange {
  const state = change.expected === undefined ? '{}' : undefined;
  return { expected: undefined, state, count: 0, leaseMs: LONG_MS, keepMs: LONG_MS, ...change };
}

/** One call of each method. */
export function callsOf(store: RunStore, expected: number): ReadonlyArray<() => Promise<unknown>> {
  return [
    () => store.load('k'),
    () => store.commit('k', changeOf({ expected })),
    () => store.read('k', 'a', 0, { events: 1, bytes: 1 }),
    () => store.versions(['k']),
    () => store.list(''),
  ];
}

/** JSON texts of the numbers of events. */
export function eventsOf(count: number, first = 1): string[] {
  return Array.from({ length: count }, (_, index) => JSON.stringify({ n: first + index }));
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => LinefeedError.is(error) && error.code === code;
}

/** Whether the store could not be reached. The call may have been performed. */
export function isRetryable(error: unknown): boolean {
  return hasCode('runs_failed')(error) && (error as LinefeedError).retryable === true;
}
