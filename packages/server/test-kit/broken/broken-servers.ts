/** Logs that break a promise about the server: its data, its failures, and the cursors of lost events. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BEGINNING } from '@linefeed/shared/wire';
import { randomId } from '../../src/lib/base/random-id.ts';
import type { CallContext, RemoteStore } from '../../src/lib/log/remote/remote-store.ts';
import { sqliteLog } from '../../src/lib/log/sqlite/sqlite-log.ts';
import type { LogUnderTest } from '../../src/lib/testing/log-under-test.ts';
import { MemoryServer } from '../memory-server.ts';
import { remoteUnderTest } from '../remote-under-test.ts';
import { broken, changed, type BrokenLog } from './broken-log.ts';

const WHEN = ['the server restarts', 'the server pauses', 'the connections are reset', 'answers are lost'];
const HALF_OPEN = 'the connections become half-open';
const AMOUNTS = ['fewer events', 'as many events', 'more events'];
const everyEvent = (when: string): string =>
  `every event that is published until it succeeds reaches every tail once if ${when}`;
const withoutKey = (when: string): string =>
  `an append without a key happens at most once, and in call order, if ${when}`;

/** A store with another context, or another writer of each batch. */
function storeWith(
  store: RemoteStore,
  change: (context: CallContext) => CallContext,
  writer?: () => string,
): RemoteStore {
  return {
    name: store.name,
    append: (batch, context) =>
      store.append(writer === undefined ? batch : { ...batch, writer: writer() }, change(context)),
    read: (query, context) => store.read(query, change(context)),
    head: (context) => store.head(change(context)),
    follow: (query, context) => store.follow(query, change(context)),
    contains: (position, context) => store.contains(position, change(context)),
    reconnect: () => store.reconnect(),
    close: () => store.close(),
  };
}

/** Keeps the server of a subject, for faults that its interface does not have. */
function withServer(
  change: (server: MemoryServer, subject: LogUnderTest) => Partial<LogUnderTest>,
): BrokenLog['create'] {
  return (setup) => {
    let server!: MemoryServer;
    const subject = remoteUnderTest(setup, { server: (options) => (server = new MemoryServer(options)) });
    return { ...subject, ...change(server, subject) };
  };
}

export const BROKEN_SERVERS: readonly BrokenLog[] = [
  broken(
    'has an epoch of its own in every handle',
    ['all handles and pages have one epoch, of 1 to 25 characters of [0-9a-z]'],
    (log, index) => ({ epoch: `${log.epoch.slice(0, 20)}${index}` }),
  ),
  {
    what: 'loses its events with its last handle',
    red: [
      'a restarted log has the same epoch, position, events, watermarks and idempotency keys',
      'a closing log finishes pending appends and refuses later ones',
    ],
    create: (setup) => {
      let server!: MemoryServer;
      const subject = remoteUnderTest(setup, { server: (options) => (server = new MemoryServer(options)) });
      return {
        ...subject,
        async open() {
          const log = await subject.open();
          const close = log.close!.bind(log);
          return Object.assign(log, {
            async close() {
              await close();
              server.restore(undefined);
            },
          });
        },
      };
    },
  },
  {
    what: 'has no bounds',
    red: [
      'the oldest events are evicted first, and the watermark covers them',
      'maxBytes bounds the size of the log',
      'events past maxAgeMs are evicted, and the watermark covers them',
    ],
    create: (setup) =>
      remoteUnderTest({ ...setup, maxEvents: 2 ** 30, maxBytes: 2 ** 40, maxAgeMs: 2 ** 40 }),
  },
  {
    what: 'does not compare what its handles have seen',
    red: [
      'a rollback resets every tail with a new epoch, so an old cursor never means a new event',
      'an append that is the first to detect a rollback succeeds',
      'a page that is the first to detect a rollback has a new epoch and no lost event',
      'two appends that are the first to detect a rollback agree on one epoch and one order',
      ...AMOUNTS.map(
        (text) => `a tail is reset if the newest events were rolled back and the log got ${text} since`,
      ),
    ],
    create: (setup) =>
      remoteUnderTest(setup, {
        store: (store) =>
          storeWith(store, (context) => ({ ...context, known: { ...context.known, position: BEGINNING } })),
      }),
  },
  {
    what: 'has the same epoch again after it was deleted',
    red: [
      ...AMOUNTS.map(
        (text) => `a log that was deleted and got ${text} since resets every tail with a new epoch`,
      ),
      'a page that is the first to detect a deletion of the log has a new epoch and no lost event',
      'two appends that are the first to detect a deletion of the log agree on one epoch and one order',
      'an append that is the first to detect a deletion of the log succeeds, in a new epoch',
    ],
    create: (setup) =>
      remoteUnderTest(setup, {
        store: (store) => storeWith(store, (context) => ({ ...context, nextEpoch: 'same' })),
      }),
  },
  broken(
    'names its first epoch in every answer',
    ['an answer that was requested before a rollback matches the epoch that it names'],
    (log) => {
      const { epoch } = log;
      return {
        newest: async () => ({ ...(await log.newest()), epoch }),
        read: async (query) => ({ ...(await log.read(query)), epoch }),
      };
    },
  ),
  broken(
    'answers newest() from what its handle has appended',
    ['newest() is at or past every append that was acknowledged before, on every handle'],
    (log) => {
      let position = BEGINNING;
      return {
        newest: () => ({ epoch: log.epoch, position }),
        async append(entries, options) {
          const appended = await log.append(entries, options);
          ({ position } = appended);
          return appended;
        },
      };
    },
  ),
  broken(
    'contains every position',
    [
      ...AMOUNTS.map(
        (text) =>
          `no cursor of a lost event means another event if the log got ${text} before a handle was opened`,
      ),
      'contains() is false for a lost event, and true for one that was kept',
      'contains() is false for a position past the newest event',
    ],
    () => ({ contains: () => true }),
  ),
  broken(
    'contains no position',
    [
      'contains() is true for every event that the log holds or has superseded, on every handle',
      'contains() is false for a lost event, and true for one that was kept',
    ],
    () => ({ contains: () => false }),
  ),
  {
    what: 'gives a lost position to another event',
    red: AMOUNTS.map(
      (text) =>
        `no cursor of a lost event means another event if the log got ${text} before a handle was opened`,
    ),
    create(setup) {
      const directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
      const path = join(directory, 'events.db');
      return {
        ...remoteUnderTest(setup),
        open: () => Object.assign(sqliteLog({ path, ...setup }), { contains: () => false }),
        rollBack(to) {
          const db = new DatabaseSync(path);
          const sequence = parseInt(to, 36);
          db.exec(`DELETE FROM event WHERE position > ${sequence}; UPDATE meta SET sequence = ${sequence}`);
          db.close();
        },
        dispose: () => rmSync(directory, { recursive: true }),
      };
    },
  },
  {
    what: 'does not notice that its events were evicted by the server',
    red: ['events that the server evicts with a key of the log are not missing without notice'],
    create: withServer((server) => ({
      evictKey() {
        const data = server.backUp()!;
        data.events = [];
        data.last.clear();
        server.restore(data);
      },
    })),
  },
  {
    what: 'loses its events when the server restarts',
    red: [everyEvent('the server restarts'), withoutKey('the server restarts')],
    create: withServer((server) => ({
      stop() {
        server.stop();
        return () => {
          server.start();
          server.restore(undefined);
        };
      },
    })),
  },
  {
    what: 'sends an append again that the server may have performed',
    red: [...WHEN.slice(1), HALF_OPEN].map(withoutKey),
    create: (setup) =>
      remoteUnderTest(setup, { store: (store) => storeWith(store, (context) => context, randomId) }),
  },
  {
    what: 'waits for the server without a limit',
    red: [
      'an append to a server that is away is rejected in time, with a retryable log_failed',
      'an append on a half-open connection is settled in time',
    ],
    create(setup) {
      let isHalfOpen = false;
      const subject = changed(setup, (log) => ({
        async append(entries, options) {
          if (isHalfOpen) await new Promise(() => undefined);
          for (;;) {
            try {
              return await log.append(entries, options);
            } catch {
              await new Promise<void>((resolve) => void setup.clock.after(100, resolve));
            }
          }
        },
      }));
      return { ...subject, halfOpen: () => void (isHalfOpen = true) };
    },
  },
];
