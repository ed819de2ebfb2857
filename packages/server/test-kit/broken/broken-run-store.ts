/** A store of runs that breaks one promise: the cases of the contract that are about it must refuse it. */
import type { Clock } from '../../src/lib/base/clock.ts';
import type { RecordChange, RunStore, StoredRecord } from '../../src/lib/runs/run-store.ts';
import type { CreateRunStoreUnderTest, RunStoreSetup } from '../../src/lib/testing/run-store-under-test.ts';
import { networkUnderTest } from '../network-runs.ts';

export interface BrokenRunStore {
  /** Completes `a store of runs that …`. */
  readonly what: string;
  /** The cases that must refuse it. */
  readonly red: readonly string[];
  readonly create: CreateRunStoreUnderTest;
}

/** Replaces methods of a handle. `index` counts the handles of a case, and `clock` is that of its process. */
export type Change = (store: RunStore, index: number, clock: Clock) => Partial<RunStore>;

/** `share` is called once for each case: what it declares is shared by the handles, as on a server. */
export function brokenBy(
  what: string,
  red: readonly string[],
  share: (setup: RunStoreSetup) => Change,
): BrokenRunStore {
  return { what, red, create: (setup) => changed(setup, share(setup)) };
}

export function broken(what: string, red: readonly string[], change: Change): BrokenRunStore {
  return brokenBy(what, red, () => change);
}

/** Changes each commit. */
export function onChange(
  what: string,
  red: readonly string[],
  change: (change: RecordChange) => RecordChange,
): BrokenRunStore {
  return broken(what, red, (store) => ({ commit: (key, one) => store.commit(key, change(one)) }));
}

/** Changes each record. */
export function onRecord(
  what: string,
  red: readonly string[],
  change: (record: StoredRecord, key: string) => StoredRecord,
): BrokenRunStore {
  return broken(what, red, (store) => ({
    async load(key) {
      const record = await store.load(key);
      return record && change(record, key);
    },
  }));
}

/** Changes the key of each call. */
export function onKey(what: string, red: readonly string[], change: (key: string) => string): BrokenRunStore {
  return broken(what, red, (store) => ({
    load: (key) => store.load(change(key)),
    commit: (key, one) => store.commit(change(key), one),
    read: (key, run, after, limit) => store.read(change(key), run, after, limit),
    versions: (keys) => store.versions(keys.map(change)),
  }));
}

export function changed(setup: RunStoreSetup, change: Change): ReturnType<typeof networkUnderTest> {
  const subject = networkUnderTest(setup);
  let index = 0;
  const wrap = (store: RunStore, clock: Clock): RunStore => {
    index += 1;
    return {
      load: (key) => store.load(key),
      commit: (key, one) => store.commit(key, one),
      read: (key, run, after, limit) => store.read(key, run, after, limit),
      versions: (keys) => store.versions(keys),
      list: (prefix) => store.list(prefix),
      watch: (listener) => store.watch!(listener),
      close: () => store.close(),
      ...change(store, index, clock),
    };
  };
  return {
    ...subject,
    open: async () => wrap(await subject.open(), setup.clock),
    openWithClock: async (clock) => wrap(await subject.openWithClock(clock), clock),
  };
}
