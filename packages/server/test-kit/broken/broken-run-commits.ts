/** Stores of runs that break a promise about commits and versions. */
import { broken, brokenBy, onChange, onKey, onRecord, type BrokenRunStore } from './broken-run-store.ts';

const REFUSES = 'is refused and changes nothing';

export const BROKEN_RUN_COMMITS: readonly BrokenRunStore[] = [
  broken(
    'has a record of every key',
    ['a key without a record has no version, no events, and is not listed'],
    (store) => ({
      load: async (key) =>
        (await store.load(key)) ?? {
          version: 1,
          state: '{}',
          count: 0,
          leaseLeftMs: 0,
          now: Date.UTC(2026, 0),
        },
    }),
  ),
  onRecord(
    'forgets the count',
    [
      'a new record has its state, count, lease and a positive version on every handle',
      'another attempt continues a run whose producer has died, and readers get each event once',
    ],
    (record) => ({ ...record, count: 0 }),
  ),
  broken(
    'replaces a record that should not exist',
    ['a commit that expects no record is refused if there is one, and changes nothing'],
    (store) => ({
      commit: async (key, change) =>
        await store.commit(key, { ...change, expected: change.expected ?? (await store.load(key))?.version }),
    }),
  ),
  broken(
    'makes a record that should exist',
    ['a commit that expects a version is refused if there is no record, and makes none'],
    (store) => ({
      commit: async (key, change) =>
        (await store.commit(key, change)) ?? (await store.commit(key, { ...change, expected: undefined })),
    }),
  ),
  broken(
    'returns the version before a commit',
    ['a commit with the present version is performed, and a greater version follows'],
    (store) => ({
      async commit(key, change) {
        const version = await store.commit(key, change);
        return version === undefined ? undefined : (change.expected ?? version);
      },
    }),
  ),
  broken(
    'does not compare the version',
    [
      `a commit with a former version ${REFUSES}`,
      `a commit with a later version than the present one ${REFUSES}`,
      'a commit that is repeated, because its outcome was unknown, is refused and appends nothing',
      'a producer that was paused for longer than its lease writes nothing more, and its signal aborts',
    ],
    (store) => ({
      async commit(key, change) {
        if (change.expected === undefined) return await store.commit(key, change);
        const record = await store.load(key);
        return record && (await store.commit(key, { ...change, expected: record.version }));
      },
    }),
  ),
  onChange(
    'deletes a state that is absent in a commit',
    ['a commit without a state keeps the state'],
    (change) => ({
      ...change,
      state: change.state ?? '',
    }),
  ),
  onChange('ignores an empty state', ['a commit without a state keeps the state'], (change) =>
    change.expected === undefined
      ? change
      : { ...change, state: change.state === '' ? undefined : change.state },
  ),
  broken(
    'compares the version before it writes, in two steps',
    [
      'of 50 commits at once with one version, one is performed',
      'of 50 commits at once that expect no record, one makes it',
      'writers on two handles that load, commit and try again lose no change',
      'of 50 starts at once with one key by two processes, one starts the run and the others join it',
    ],
    (store) => ({
      async commit(key, change) {
        if ((await store.load(key))?.version !== change.expected) return undefined;
        for (;;) {
          const expected = (await store.load(key))?.version;
          const version = await store.commit(key, { ...change, expected });
          if (version !== undefined) return version;
        }
      },
    }),
  ),
  broken(
    'refuses all commits of a moment if it refuses one',
    ['commits at once of many keys are performed, and a refused one among them changes no other'],
    (store) => {
      let together: Array<Promise<number | undefined>> = [];
      return {
        async commit(key, change) {
          const commit = store.commit(key, change);
          together.push(commit);
          const versions = await Promise.all(together);
          together = [];
          return versions.includes(undefined) ? undefined : await commit;
        },
      };
    },
  ),
  broken(
    'answers a repeated commit with its first version',
    ['a commit that is repeated, because its outcome was unknown, is refused and appends nothing'],
    (store) => {
      const answers = new Map<string, number | undefined>();
      return {
        async commit(key, change) {
          const id = JSON.stringify(change);
          if (!answers.has(id)) answers.set(id, await store.commit(key, change));
          return answers.get(id);
        },
      };
    },
  ),
  brokenBy(
    'counts the versions of each new record from 1',
    [
      'a version never repeats after its record was deleted and made again',
      'a version never repeats after its record was deleted and the store was opened again',
      'a record of a store whose data was deleted is gone, and its versions never repeat',
    ],
    () => {
      const bases = new Map<string, number>();
      return (store) => ({
        async load(key) {
          const record = await store.load(key);
          return record && { ...record, version: record.version - (bases.get(key) ?? 0) };
        },
        async commit(key, change) {
          const expected =
            change.expected === undefined ? undefined : change.expected + (bases.get(key) ?? 0);
          const version = await store.commit(key, { ...change, expected });
          if (version !== undefined && expected === undefined) bases.set(key, version - 1);
          return version && version - bases.get(key)!;
        },
      });
    },
  ),
  onKey('ignores the case of keys', ['keys are compared by their exact text'], (key) => key.toLowerCase()),
  onKey('normalises keys', ['keys are compared by their exact text'], (key) => key.normalize('NFC')),
  onKey('removes white space of keys', ['keys are compared by their exact text'], (key) => key.trim()),
];
