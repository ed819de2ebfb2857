import { Client, Pool } from 'pg';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { connectWith, drop, LIBRARIES, type TestClient } from '../../../../test-kit/postgres-bench.ts';
import type { Log } from '../log.ts';
import { migrationOf } from './migration.ts';
import { postgresLog } from './postgres-log.ts';
import { MARK, namesOf } from './tables.ts';

let server: PostgresServer;
const clients: TestClient[] = [];
const logs: Log[] = [];

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server?.close();
});

afterEach(async () => {
  for (const log of logs.splice(0)) await log.close?.();
  for (const { end } of clients.splice(0)) await end();
  await drop(server, 'board');
});

function clientOf(library: (typeof LIBRARIES)[number] = 'pg'): TestClient['client'] {
  const made = connectWith(library, server.port, 2);
  clients.push(made);
  return made.client;
}

async function open(client: TestClient['client'] = clientOf(), table = 'board'): Promise<Log> {
  const log = await postgresLog({ client, table });
  logs.push(log);
  return log;
}

const value = (data: string) => [{ address: 'a', data, keep: 'all' as const }];

describe('the start of a postgresLog', () => {
  test.each(LIBRARIES)('processes with %s that start at once create the tables once', async (library) => {
    const opened = await Promise.all([1, 2, 3].map(() => open(clientOf(library))));
    expect(new Set(opened.map(({ epoch }) => epoch)).size).toBe(1);
  });

  test('processes that start at once create the tables once, although transactions are serializable', async () => {
    await server.query(`ALTER ROLE postgres SET default_transaction_isolation = 'serializable'`);
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      const opened = await Promise.all([1, 2, 3].map(() => open(clientOf())));
      expect(new Set(opened.map(({ epoch }) => epoch)).size).toBe(1);
    } finally {
      await server.query('ALTER ROLE postgres RESET default_transaction_isolation');
    }
  });

  test('a start creates functions that were dropped, and names a table that was', async () => {
    await (await open()).append(value('1'));
    await server.query('DROP FUNCTION board_append CASCADE; DROP FUNCTION board_truncated CASCADE');
    await (await open()).append(value('2'));
    await server.query('DROP TABLE board_outbox');
    await expect(open()).rejects.toMatchObject({
      code: 'log_failed',
      retryable: false,
      message: expect.stringMatching(/board_outbox was dropped; drop its other tables too/),
    });
  });

  test('tables of others stay unchanged', async () => {
    await server.query('CREATE TABLE board_event (mine int); INSERT INTO board_event VALUES (7)');
    await expect(open()).rejects.toMatchObject({
      code: 'log_failed',
      retryable: false,
      message: expect.stringContaining('board_event exists and is not a table of Linefeed'),
    });
    expect(await server.query('SELECT * FROM board_event')).toEqual([{ mine: 7 }]);
    expect(await server.query(`SELECT 1 FROM pg_class WHERE relname = 'board_head'`)).toEqual([]);
  });

  test('tables of a newer version are refused', async () => {
    await server.query(migrationOf('public', 'board'));
    await server.query(`COMMENT ON TABLE board_head IS '${MARK}2'`);
    await expect(open()).rejects.toMatchObject({
      code: 'log_failed',
      message: expect.stringMatching(/is newer than this version.*format 2.*update the package/),
    });
  });

  test('a role without CREATE gets the permission that it needs, and one with tables needs none', async () => {
    await server.query(`DO $$ BEGIN CREATE ROLE weak LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
      REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
    const weak = new Pool({ connectionString: server.url.replace('postgres@', 'weak@') });
    clients.push({ client: weak, end: () => weak.end() });
    await expect(open(weak)).rejects.toMatchObject({
      code: 'log_failed',
      retryable: false,
      message: expect.stringContaining('grant CREATE on schema public'),
    });
    await server.query(migrationOf('public', 'board'));
    await expect(open(weak)).rejects.toMatchObject({
      message: expect.stringContaining('grant the role of the client SELECT, INSERT, UPDATE and DELETE'),
    });
    await server.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO weak');
    const log = await open(weak);
    expect(await log.append(value('1'))).toMatchObject({ duplicate: false });
  });

  test.each([
    ['a URL', () => server.url, 'not a URL'],
    ['a Client of pg', () => new Client(), 'not a single Client of pg'],
    ['nothing', () => undefined, 'not undefined'],
  ])('%s is refused as a client', async (_name, client, message) => {
    await expect(postgresLog({ client: client() as never, table: 'board' })).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ['pg', () => new Client(), 'must return a Pool of pg, the library of its client, not a single Client'],
    ['pg', () => postgres(server.url), 'not the result of postgres()'],
    [
      'postgres',
      () => new Pool(),
      'must return the result of postgres(), the library of its client, not a Pool',
    ],
  ] as const)('with %s, %s is refused as tailClient', async (library, tailClient, message) => {
    const opening = postgresLog({
      client: clientOf(library),
      table: 'board',
      tailClient: tailClient as never,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });

  test.each(['', 'a b', 'a;b', 'a.b.c', '"a"', 'ä', 'x'.repeat(49)])(
    'the table %j is refused',
    async (table) => {
      await expect(open(clientOf(), table)).rejects.toMatchObject({ code: 'invalid_option' });
    },
  );

  test('a log in a schema of its own has no tables elsewhere', async () => {
    await server.query('CREATE SCHEMA IF NOT EXISTS "App"');
    const log = await open(clientOf(), 'App.Board');
    await log.append(value('1'));
    const rows = await server.query(
      `SELECT DISTINCT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname LIKE 'Board%'`,
    );
    expect(rows).toEqual([{ schema: '"App"' }]);
  });

  test('a pool that was ended is refused', async () => {
    const pool = new Pool({ connectionString: server.url });
    await pool.end();
    await expect(open(pool)).rejects.toMatchObject({ code: 'log_failed' });
  });

  test('synchronous_commit off and another isolation level are named once', async () => {
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const options = '-c synchronous_commit=off -c default_transaction_isolation=serializable';
    const pool = new Pool({ connectionString: server.url, options });
    clients.push({ client: pool, end: () => pool.end() });
    const log = await open(pool);
    await log.append(value('1'));
    expect(warnings.mock.calls.flat()).toEqual([
      expect.stringContaining('synchronous_commit is off'),
      expect.stringContaining('transactions are serializable'),
    ]);
  });

  test('read-only transactions are refused', async () => {
    const client = postgres(server.url, { connection: { default_transaction_read_only: true } });
    clients.push({ client, end: () => client.end() });
    await expect(open(client)).rejects.toMatchObject({
      code: 'log_failed',
      message: expect.stringContaining('transactions are read-only'),
    });
  });
});

describe('the data of a postgresLog', () => {
  test('the character U+0000 is refused for its append alone', async () => {
    const log = await open();
    const [one, two, three] = await Promise.allSettled([
      log.append(value('1')),
      log.append([{ address: 'a\0', data: '2', keep: 'all' }]),
      log.append(value('3')),
    ]);
    expect([one.status, three.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(two).toMatchObject({ reason: { code: 'invalid_option' } });
  });

  test('dropped tables are reported as not retryable, and the next start begins anew', async () => {
    const log = await open();
    await log.append(value('1'));
    await drop(server, 'board');
    await expect(log.append(value('2'))).rejects.toMatchObject({ code: 'log_failed', retryable: false });
    const again = await open();
    expect(again.epoch).not.toBe(log.epoch);
    expect((await log.append(value('3'))).epoch).toBe(again.epoch);
  });

  test('a deleted row of the head is reported, and the next start begins anew', async () => {
    const log = await open();
    const { epoch } = await log.append(value('1'));
    await server.query(`DELETE FROM ${namesOf('public', 'board').head}`);
    await expect(log.append(value('2'))).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('start the process again'),
    });
    const again = await open();
    expect(again.epoch).not.toBe(epoch);
    expect((await again.newest()).position).toBe('0');
  });

  test('a cursor whose batch is no longer remembered gives a gap', async () => {
    const log = await open();
    const first = await log.append(value('1'));
    const second = await log.append(value('2'));
    await log.append(value('3'));
    const { head, batch } = namesOf('public', 'board');
    // As after 10,000 batches.
    await server.query(`UPDATE ${head} SET unchecked = (SELECT last FROM ${batch} ORDER BY last OFFSET 1 LIMIT 1);
      DELETE FROM ${batch} WHERE last <= (SELECT unchecked FROM ${head})`);
    const other = await open();
    expect(await other.contains!(first.position)).toBe(false);
    expect(await other.contains!(second.position)).toBe(true);
    const addresses = new Map([['a', first.position]]);
    const { evictedThrough } = await other.read({ after: '0', addresses, limit: 10, maxBytes: 1e6 });
    expect(evictedThrough).toEqual(new Map([['a', second.position]]));
  });
});
