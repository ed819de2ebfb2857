import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createManualClock } from '@linefeed/shared/testing';
import { startPgbouncer } from '../../../../test-kit/brokers/pgbouncer.ts';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import { connectWith, LIBRARIES, type TestClient } from '../../../../test-kit/postgres-bench.ts';
import { toMigration } from '../../database/postgres/migration.ts';
import type { RecordChange, RunStore } from '../run-store.ts';
import { postgresRuns, type PostgresRunsOptions } from './postgres-runs.ts';
import { runDefinitionsOf, RUNS_MARK } from './run-migration.ts';
import { runNamesOf } from './run-tables.ts';

let server: PostgresServer;
const clients: TestClient[] = [];
const stores: RunStore[] = [];
let cases = 0;

beforeAll(async () => {
  server = await startPostgres();
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const { end } of clients.splice(0)) await end();
});

afterAll(async () => {
  await server?.close();
});

function clientOf(library: (typeof LIBRARIES)[number] = 'pg', port = server.port): TestClient['client'] {
  const made = connectWith(library, port, 3);
  clients.push(made);
  return made.client;
}

const newTable = (): string => `case${++cases}`;

async function open(table: string, options: Partial<PostgresRunsOptions> = {}): Promise<RunStore> {
  const store = await postgresRuns({ client: clientOf(), table, ...options });
  stores.push(store);
  return store;
}

const LIMIT = { events: 10_000, bytes: 1_000_000 };
const changeOf = (change: Partial<RecordChange> = {}): RecordChange => ({
  expected: undefined,
  state: '{}',
  count: 0,
  leaseMs: 60_000,
  keepMs: 600_000,
  ...change,
});
const append = (...events: string[]) => ({ run: 'r', after: 0, events });

async function countOf(table: string, part: 'record' | 'series' | 'event'): Promise<number> {
  const [row] = await server.query(
    `SELECT count(*)::integer AS count FROM ${runNamesOf('public', table)[part]}`,
  );
  return row!['count'] as number;
}

describe('the opening of postgresRuns', () => {
  test.each(LIBRARIES)('processes with %s that start at once create the tables once', async (library) => {
    const table = newTable();
    const opened = await Promise.all([1, 2, 3].map(() => open(table, { client: clientOf(library) })));
    const version = await opened[0]!.commit('a', changeOf());
    expect(await opened[2]!.versions(['a'])).toEqual([version]);
    // The migration may run again.
    await server.query(toMigration(runDefinitionsOf('public', table)));
    expect(await opened[1]!.versions(['a'])).toEqual([version]);
  });

  test('a client and a table that are not usable are refused with the name of postgresRuns', async () => {
    for (const options of [
      { client: {} },
      { client: new Client() },
      { client: 'postgres://localhost' },
      { table: 'a-b' },
      { table: 'x'.repeat(49) },
      { timeoutMs: 0 },
      { key: 'board' },
    ]) {
      const opened = postgresRuns({ client: clientOf(), table: 'board', ...options } as PostgresRunsOptions);
      await expect(opened).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(opened).rejects.toThrow(/postgresRuns/);
    }
  });

  test('tables of another program, of a newer version, and a dropped one are refused', async () => {
    const [foreign, newer, dropped] = [newTable(), newTable(), newTable()];
    await server.query(`CREATE TABLE ${foreign}_run_series (a int)`);
    await server.query(toMigration(runDefinitionsOf('public', newer)));
    await server.query(`COMMENT ON TABLE ${newer}_run_record IS '${RUNS_MARK}2'`);
    await server.query(toMigration(runDefinitionsOf('public', dropped)));
    await server.query(`DROP TABLE ${dropped}_run_event`);
    for (const [table, message] of [
      [foreign, /is not a table of Linefeed; choose another table prefix/],
      [newer, /newer than this version.*update the package/],
      [dropped, /was dropped; drop its other tables too, and the next start creates the store anew/],
    ] as const) {
      await expect(open(table)).rejects.toMatchObject({ code: 'runs_failed', retryable: false });
      await expect(open(table)).rejects.toThrow(message);
    }
  });

  test('a server that answers nothing rejects the opening within the timeout, as retryable', async () => {
    const relay = await startRelay(server);
    relay.blackHole();
    const opened = open(newTable(), { client: clientOf('pg', relay.port), timeoutMs: 300 });
    await expect(opened).rejects.toMatchObject({ code: 'runs_failed', retryable: true });
    await relay.close();
  });

  test('a log and a store may have one prefix, of the greatest length', async () => {
    const table = 'x'.repeat(48);
    const { postgresLog } = await import('../../log/postgres/postgres-log.ts');
    const log = await postgresLog({ client: clientOf(), table });
    const store = await open(table);
    await log.append([{ address: 'a', data: '1', keep: 'all' }]);
    expect(await store.commit('a', changeOf({ append: append('1') }))).toBeGreaterThan(0);
    expect(await store.read('a', 'r', 0, LIMIT)).toEqual(['1']);
    await log.close?.();
  });

  test.each(LIBRARIES)('%s through a pooler in transaction mode works', async (library) => {
    const pooler = await startPgbouncer({ postgres: server });
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      const store = await open(newTable(), { client: clientOf(library, pooler.port) });
      const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`);
      const first = await Promise.all(
        keys.map((key) => store.commit(key, changeOf({ append: append('1') }))),
      );
      expect(await store.versions(keys)).toEqual(first);
      for (const key of keys) expect(await store.read(key, 'r', 0, LIMIT)).toEqual(['1']);
      expect(warnings).not.toHaveBeenCalled();
    } finally {
      await stores.pop()?.close();
      await clients.pop()?.end();
      await pooler.close();
    }
  });
});

describe('the data of postgresRuns', () => {
  test('what is past its time is deleted in small steps, by later commits', async () => {
    const table = newTable();
    const clock = createManualClock();
    const store = await open(table, { clock });
    const events = Array.from({ length: 1_500 }, (_, n) => `${n}`);
    let expected = await store.commit('dropped', changeOf({ append: append(...events) }));
    await store.commit('expired', changeOf({ append: append(...events), keepMs: 1 }));
    expected = await store.commit('dropped', changeOf({ expected, drop: ['r'] }));
    expect(await store.read('dropped', 'r', 0, LIMIT)).toEqual([]);
    // A record is deleted in the minute after its time.
    await server.query(`UPDATE ${table}_run_record SET due = 0 WHERE key = 'expired'`);
    const left: number[] = [];
    for (let commits = 0; (left.at(-1) ?? 1) > 0 && commits < 10; commits += 1) {
      await clock.advance(1_000);
      expected = await store.commit('dropped', changeOf({ expected }));
      // The commit does not wait for the deletion. The close does.
      await vi.waitFor(async () => {
        const count = await countOf(table, 'event');
        expect(count).toBeLessThan(left.at(-1) ?? 3_000);
        left.push(count);
      });
    }
    expect(left).toEqual([2_000, 1_000, 0]);
    // The last step found as many events as it may delete, so it does not know that no more are left.
    await clock.advance(1_000);
    await store.commit('dropped', changeOf({ expected }));
    await vi.waitFor(async () => expect(await countOf(table, 'series')).toBe(0));
    expect(await countOf(table, 'record')).toBe(1);
  });

  test('a commit without a change of the state moves no index', async () => {
    const table = newTable();
    const store = await open(table);
    let expected = await store.commit('a', changeOf());
    for (let n = 0; n < 50; n += 1)
      expected = await store.commit('a', changeOf({ expected, state: undefined }));
    // The server counts the updates of a connection at its end.
    await store.close();
    for (const { end } of clients.splice(0)) await end();
    await vi.waitFor(async () => {
      const [row] = await server.query(
        `SELECT n_tup_upd::integer AS all, n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables WHERE relname = $1`,
        [`${table}_run_record`],
      );
      expect(row!['all']).toBe(50);
      // At most one, if a minute has begun meanwhile.
      expect(row!['hot']).toBeGreaterThanOrEqual(48);
    });
  });

  test('a key may be longer than the entry of an index, and has no character U+0000', async () => {
    const store = await open(newTable());
    const [long, other] = ['a'.repeat(10_000), `${'a'.repeat(9_999)}b`];
    const version = await store.commit(long, changeOf());
    await store.commit(other, changeOf());
    expect(await store.versions([long])).toEqual([version]);
    expect(await store.list('a'.repeat(9_999))).toHaveLength(2);
    expect(await store.list(long)).toEqual([long]);
    expect(await store.commit(long, changeOf())).toBeUndefined();
    for (const call of [store.load('a\0b'), store.commit('a\0b', changeOf()), store.versions(['a\0b'])])
      await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('a version of a lost commit is not given to another commit', async () => {
    const table = newTable();
    const store = await open(table);
    const first = await store.commit('a', changeOf());
    const lost = await store.commit('a', changeOf({ expected: first }));
    // A promoted standby that has not received the last commit.
    await server.query(`UPDATE ${table}_run_record SET version = ${first}`);
    const other = await store.commit('a', changeOf({ expected: first, state: '"other"' }));
    expect(other).toBeGreaterThan(lost!);
    expect(await store.commit('a', changeOf({ expected: lost, state: '"stale"' }))).toBeUndefined();
    expect(await store.load('a')).toMatchObject({ version: other, state: '"other"' });
  });

  test('dropped tables are reported as not retryable, with a remedy', async () => {
    const table = newTable();
    const store = await open(table);
    await server.query(`DROP TABLE ${runDefinitionsOf('public', table).tables.join(', ')} CASCADE`);
    const refused = {
      code: 'runs_failed',
      retryable: false,
      message: expect.stringMatching(/start the process again/),
    };
    await expect(store.load('a')).rejects.toMatchObject(refused);
    await expect(store.commit('a', changeOf())).rejects.toMatchObject(refused);
  });

  test('a commit waits for a lock of its record no longer than its deadline', async () => {
    const table = newTable();
    const store = await open(table, { timeoutMs: 500 });
    const expected = await store.commit('a', changeOf());
    const holder = new Client({ connectionString: server.url });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(`SELECT * FROM ${table}_run_record FOR UPDATE`);
      await expect(store.commit('a', changeOf({ expected }))).rejects.toMatchObject({
        code: 'runs_failed',
        retryable: true,
      });
      // Other records are not affected.
      expect(await store.commit('b', changeOf())).toBeGreaterThan(0);
    } finally {
      await holder.end();
    }
  });
});
