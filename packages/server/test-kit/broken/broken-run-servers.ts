/** Stores of runs that break a promise about closing, and about a server that is away or loses data. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { StoredRecord } from '../../src/lib/runs/run-store.ts';
import { broken, brokenBy, changed, type BrokenRunStore } from './broken-run-store.ts';

const FAULTS = [
  'the server restarts',
  'the server pauses',
  'the connections are reset',
  'the connections become half-open',
  'answers are lost',
];

function isClosed(error: unknown): boolean {
  return LinefeedError.is(error) && error.code === 'closed';
}

const BROKEN_ENDS: readonly BrokenRunStore[] = [
  broken(
    'ends its leases when it closes',
    ['a store that is opened again has the same records, leases and events'],
    (store) => {
      const changed = new Map<string, number>();
      return {
        async commit(key, change) {
          const version = await store.commit(key, change);
          if (version !== undefined) changed.set(key, version);
          return version;
        },
        async close() {
          for (const [key, expected] of changed) {
            const record = await store.load(key);
            if (record)
              await store.commit(key, { expected, count: record.count, leaseMs: 0, keepMs: 60_000 });
          }
          await store.close();
        },
      };
    },
  ),
  broken(
    'rejects waiting commits when it closes',
    ['a store that closes finishes the commits that wait'],
    (store) => {
      let close!: () => void;
      const closed = new Promise<never>((_, reject) => {
        close = () => reject(refusal('closed', 'The store is closed.'));
      });
      closed.catch(() => undefined);
      return {
        commit: (key, change) => Promise.race([store.commit(key, change), closed]),
        async close() {
          close();
          await store.close();
        },
      };
    },
  ),
  broken(
    'accepts calls after it was closed',
    ['a closed store refuses each call with the code closed, and may be closed again'],
    () => ({ close: () => Promise.resolve() }),
  ),
  broken(
    'refuses to be closed again',
    ['a closed store refuses each call with the code closed, and may be closed again'],
    (store) => {
      let closed = false;
      return {
        async close() {
          if (closed) throw refusal('closed', 'The store is closed.');
          closed = true;
          await store.close();
        },
      };
    },
  ),
  brokenBy('closes all handles together', ['a closed handle does not affect another one'], () => {
    let closed = false;
    return (store) => ({
      async commit(key, change) {
        if (closed) throw refusal('closed', 'The store is closed.');
        return await store.commit(key, change);
      },
      async close() {
        closed = true;
        await store.close();
      },
    });
  }),
];

export const BROKEN_RUN_SERVERS: readonly BrokenRunStore[] = [
  ...BROKEN_ENDS,
  broken(
    'performs a commit again after an error, whatever the version is then',
    FAULTS.map(
      (fault) => `changes of two handles that are tried again until they succeed happen once if ${fault}`,
    ),
    (store) => ({
      async commit(key, change) {
        let { expected } = change;
        for (let isFirst = true; ; isFirst = false) {
          try {
            if (!isFirst) expected = (await store.load(key))?.version;
            return await store.commit(key, { ...change, expected });
          } catch (error) {
            if (isClosed(error)) throw error;
          }
        }
      },
    }),
  ),
  broken(
    'answers a commit that has failed as refused',
    FAULTS.map((fault) => `a commit happens once or not at all, and its answer is true, if ${fault}`),
    (store) => ({
      commit: (key, change) => store.commit(key, change).catch(() => undefined),
    }),
  ),
  broken(
    'waits for the server without an end',
    [
      'each call to a server that is away is rejected in time, with a retryable runs_failed',
      'each call to a server that answers nothing is rejected in time, with a retryable runs_failed',
    ],
    (store) => ({
      async load(key) {
        for (;;) {
          try {
            return await store.load(key);
          } catch (error) {
            if (isClosed(error)) throw error;
          }
        }
      },
    }),
  ),
  broken(
    'throws the error of its client',
    [
      'each call to a server that is away is rejected in time, with a retryable runs_failed',
      'each call to a server that answers nothing is rejected in time, with a retryable runs_failed',
    ],
    (store) => ({
      versions: (keys) =>
        store.versions(keys).catch((cause: unknown) => {
          throw new Error('ECONNRESET', { cause });
        }),
    }),
  ),
  {
    what: 'hints only on its first connection',
    red: ['hints of changes continue after the connections were reset and became half-open'],
    create(setup) {
      let isBroken = false;
      const subject = changed(setup, (store) => ({
        watch: (listener) => store.watch!((key) => (isBroken ? undefined : listener(key))),
      }));
      const resetConnections = () => {
        isBroken = true;
        return subject.resetConnections();
      };
      return { ...subject, resetConnections };
    },
  },
  broken(
    'caches records',
    ['a record of a store whose data was deleted is gone, and its versions never repeat'],
    (store) => {
      const cached = new Map<string, StoredRecord>();
      return {
        async load(key) {
          const record = (await store.load(key)) ?? cached.get(key);
          if (record !== undefined) cached.set(key, record);
          return record;
        },
      };
    },
  ),
];
