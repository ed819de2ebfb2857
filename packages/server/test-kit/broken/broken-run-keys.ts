/** Stores of runs that break a promise about times, keys, versions and hints. */
import { LinefeedError } from '@linefeed/shared/wire';
import { broken, brokenBy, onChange, onRecord, type BrokenRunStore } from './broken-run-store.ts';

const SKEWED = ['ahead', 'late'].map(
  (text) => `leases and records last as long as they should if the clock of a process is an hour ${text}`,
);

const BROKEN_TIMES: readonly BrokenRunStore[] = [
  brokenBy(
    'returns the whole lease of the last commit',
    [
      'a lease becomes shorter and ends by the clock of the store, on every handle',
      'a run whose producer has died is lost in time for all readers, and the next start is another run',
    ],
    () => {
      const leases = new Map<string, number>();
      return (store) => ({
        commit(key, change) {
          leases.set(key, change.leaseMs);
          return store.commit(key, change);
        },
        async load(key) {
          const record = await store.load(key);
          return record && { ...record, leaseLeftMs: leases.get(key)! };
        },
      });
    },
  ),
  onRecord(
    'returns the time in seconds',
    ['the clock of the store is in milliseconds since 1970'],
    (record) => ({
      ...record,
      now: record.now / 1_000,
    }),
  ),
  ...(['leaseMs', 'keepMs'] as const).map((name) =>
    brokenBy(
      `keeps the first ${name} of a record`,
      ['every commit gives the record a new lease and a new time to keep'],
      ({ clock }) => {
        const ends = new Map<string, number>();
        return (store) => ({
          commit(key, change) {
            if (change.expected === undefined) ends.set(key, clock.now() + change[name]);
            return store.commit(key, { ...change, [name]: ends.get(key)! - clock.now() });
          },
        });
      },
    ),
  ),
  onChange(
    'deletes a record when its lease ends',
    ['a record whose lease has ended is kept and can be changed'],
    (change) => ({ ...change, keepMs: Math.min(change.keepMs, change.leaseMs) }),
  ),
  onChange('never deletes a record', ['a record is deleted after keepMs, on every handle'], (change) => ({
    ...change,
    keepMs: change.keepMs * 1_000,
  })),
  brokenBy(
    'deletes a record only when it is loaded',
    [
      'a record is deleted after keepMs, on every handle',
      'many records are deleted at their times, and the others stay',
    ],
    () => {
      const keys = new Set<string>();
      return (store) => ({
        async commit(key, change) {
          const version = await store.commit(key, change);
          if (version !== undefined) keys.add(key);
          return version;
        },
        async load(key) {
          const record = await store.load(key);
          if (record === undefined) keys.delete(key);
          return record;
        },
        list: (prefix) => Promise.resolve([...keys].filter((key) => key.startsWith(prefix))),
      });
    },
  ),
  brokenBy(
    'does not make a record again that was deleted',
    ['a record can be made again after its deletion, and has nothing of the former one'],
    () => {
      const made = new Set<string>();
      return (store) => ({
        async commit(key, change) {
          if (change.expected === undefined && made.has(key)) return undefined;
          made.add(key);
          return await store.commit(key, change);
        },
      });
    },
  ),
  onChange('has times of 31 bits', ['a lease and a time to keep may last 90 days'], (change) => ({
    ...change,
    leaseMs: Math.min(change.leaseMs, 2 ** 31),
    keepMs: Math.min(change.keepMs, 2 ** 31),
  })),
  broken(
    'refuses fractions of a millisecond',
    ['a lease and a time to keep may have fractions of a millisecond'],
    (store) => ({
      async commit(key, change) {
        if (!Number.isInteger(change.leaseMs)) throw new LinefeedError('runs_failed', 'not an integer');
        return await store.commit(key, change);
      },
    }),
  ),
  brokenBy('compares leases with the clock of the process', SKEWED, ({ clock }) => (store, _, own) => ({
    async load(key) {
      const record = await store.load(key);
      const ahead = own.now() - clock.now();
      return record && { ...record, now: record.now + ahead, leaseLeftMs: record.leaseLeftMs - ahead };
    },
  })),
];

const BROKEN_LISTS: readonly BrokenRunStore[] = [
  broken(
    'matches prefixes as patterns',
    ['a prefix matches only the keys that start with its text'],
    (store) => ({
      async list(prefix) {
        const parts = prefix.split(/[%_]/);
        const keys = await store.list('');
        return keys.filter((key) => key.startsWith(parts[0]!) && parts.every((part) => key.includes(part)));
      },
    }),
  ),
  broken(
    'ignores the case of prefixes',
    ['a prefix matches only the keys that start with its text'],
    (store) => ({
      list: async (prefix) =>
        (await store.list('')).filter((key) => key.toLowerCase().startsWith(prefix.toLowerCase())),
    }),
  ),
  broken('lists at most 1,000 keys', ['a list has each of 1,500 keys once'], (store) => ({
    list: async (prefix) => (await store.list(prefix)).slice(0, 1_000),
  })),
  broken('lists a key twice', ['a list has each of 1,500 keys once'], (store) => ({
    async list(prefix) {
      const keys = await store.list(prefix);
      return [...keys, ...keys.slice(0, 1)];
    },
  })),
];

const BROKEN_VERSIONS: readonly BrokenRunStore[] = [
  broken(
    'returns versions in the order of sorted keys',
    ['versions have the order of the keys, and keys may be missing or repeated'],
    (store) => ({ versions: (keys) => store.versions(keys.toSorted()) }),
  ),
  brokenBy(
    'caches versions for a moment',
    ['versions and records have every commit that was answered before, on every handle'],
    ({ clock }) =>
      (store) => {
        let cached: { versions: ReadonlyArray<number | undefined>; until: number } | undefined;
        return {
          async versions(keys) {
            if (cached === undefined || clock.now() > cached.until || cached.versions.length !== keys.length)
              cached = { versions: await store.versions(keys), until: clock.now() + 1_000 };
            return cached.versions;
          },
        };
      },
  ),
  broken(
    'notices no commits of other handles',
    ['a stop by another process aborts the signal in time, and resolves when the end is recorded'],
    (store) => {
      const seen = new Map<string, number | undefined>();
      return {
        async commit(key, change) {
          const version = await store.commit(key, change);
          seen.set(key, version);
          return version;
        },
        async versions(keys) {
          const versions = await store.versions(keys);
          for (const [index, key] of keys.entries()) if (!seen.has(key)) seen.set(key, versions[index]);
          return keys.map((key) => seen.get(key));
        },
        watch: () => () => undefined,
      };
    },
  ),
  broken('reads at most 500 versions', ['one call returns the versions of 1,000 keys'], (store) => ({
    versions: async (keys) =>
      (await store.versions(keys)).map((version, index) => (index < 500 ? version : undefined)),
  })),
];

const BROKEN_HINTS: readonly BrokenRunStore[] = [
  broken('hints only at its own commits', ['a commit of any handle hints at its key'], (store) => {
    const listeners = new Set<(key: string) => void>();
    return {
      async commit(key, change) {
        const version = await store.commit(key, change);
        for (const listener of listeners) listener(key);
        return version;
      },
      watch(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
  }),
  broken(
    'continues to hint after a listener was stopped',
    ['a listener of hints that was stopped is not called, and others are'],
    (store) => ({
      watch(listener) {
        store.watch!(listener);
        return () => undefined;
      },
    }),
  ),
  broken(
    'stops all listeners together',
    ['a listener of hints that was stopped is not called, and others are'],
    (store) => {
      const stops: Array<() => void> = [];
      return {
        watch(listener) {
          stops.push(store.watch!(listener));
          return () => {
            for (const stop of stops) stop();
          };
        },
      };
    },
  ),
];

export const BROKEN_RUN_KEYS: readonly BrokenRunStore[] = [
  ...BROKEN_TIMES,
  ...BROKEN_LISTS,
  ...BROKEN_VERSIONS,
  ...BROKEN_HINTS,
];
