import { defineChannel } from '@linefeed/shared';
import { Pool, type PoolClient } from 'pg';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import { empty, LIBRARIES, openLog, type Library } from '../../../../test-kit/postgres-bench.ts';
import { createFeed } from '../../feed/create-feed.ts';
import type { Feed } from '../../feed/types.ts';
import type { Log } from '../log.ts';
import { memoryLog } from '../memory-log.ts';
import { namesOf } from './tables.ts';

const TABLE = 'board';
const board = defineChannel({ notice: z.object({ n: z.number() }) });

let server: PostgresServer;
let pool: Pool;
let sql: postgres.Sql;
const logs: Log[] = [];
const feeds: Array<Feed<typeof board>> = [];

beforeAll(async () => {
  server = await startPostgres();
  const address = { host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' };
  pool = new Pool(address);
  sql = postgres({ ...address, max: 4, onnotice: () => undefined });
  logs.push(await openLog('pg', server.port, { table: TABLE }));
  await closeAll();
});

afterAll(async () => {
  await pool?.end();
  await sql?.end();
  await server?.close();
});

beforeEach(() => empty(server, TABLE));
afterEach(closeAll);

async function closeAll(): Promise<void> {
  for (const feed of feeds.splice(0)) await feed.close();
  for (const log of logs.splice(0)) await log.close?.();
}

async function open(library: Library = 'pg', timeoutMs = 5_000): Promise<Log> {
  const log = await openLog(library, server.port, { table: TABLE, pollMs: 10, timeoutMs });
  logs.push(log);
  return log;
}

/** A feed, and the numbers that a reader of it gets. */
async function openFeed(
  library?: Library,
  timeoutMs?: number,
): Promise<{ feed: Feed<typeof board>; seen: number[] }> {
  const log = await open(library, timeoutMs);
  const feed = createFeed(board, { log });
  feeds.push(feed);
  const seen: number[] = [];
  log.tail({
    onEvents: (events) => seen.push(...events.map(({ data }) => (JSON.parse(data) as { n: number }).n)),
    onReset: () => undefined,
    onError: () => undefined,
  });
  return { feed, seen };
}

async function inTransaction(work: (client: PoolClient) => Promise<unknown>, end = 'COMMIT'): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query(end);
  } finally {
    client.release();
  }
}

async function outboxSize(): Promise<number> {
  const [row] = await server.query(`SELECT count(*)::int AS n FROM ${namesOf('public', TABLE).outbox}`);
  return row!['n'] as number;
}

describe('publish with a transaction', () => {
  test('an event of a transaction reaches subscribers after its commit, and not before', async () => {
    const { feed, seen } = await openFeed();
    await inTransaction(async (transaction) => {
      expect(await feed.publish('notice', { n: 1 }, { transaction })).toBeUndefined();
      await feed.publish('notice', { n: 2 });
      await vi.waitFor(() => expect(seen).toEqual([2]));
    });
    await vi.waitFor(() => expect(seen).toEqual([2, 1]));
    expect(await outboxSize()).toBe(0);
  });

  test('an event of a rolled back transaction is never published', async () => {
    const { feed, seen } = await openFeed();
    await inTransaction(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction });
    }, 'ROLLBACK');
    await inTransaction(async (transaction) => await feed.publish('notice', { n: 2 }, { transaction }));
    await vi.waitFor(() => expect(seen).toEqual([2]));
    expect(await outboxSize()).toBe(0);
  });

  test('events of one transaction keep the order of their calls', async () => {
    const { feed, seen } = await openFeed();
    const numbers = Array.from({ length: 700 }, (_, index) => index);
    await inTransaction(async (transaction) => {
      await Promise.all(numbers.map((n) => feed.publish('notice', { n }, { transaction })));
    });
    await vi.waitFor(() => expect(seen).toEqual(numbers), { timeout: 20_000 });
  });

  const LEVELS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'];
  test.each(LIBRARIES.flatMap((library) => LEVELS.map((level) => [library, level] as const)))(
    'events of transactions come in the order of the commits, with %s and %s',
    async (library, level) => {
      const { feed, seen } = await openFeed(library);
      const [mover, first, second] = [await pool.connect(), await pool.connect(), await pool.connect()];
      try {
        // The mover waits, and then sees both transactions at once.
        await mover.query(`BEGIN; SELECT FROM ${namesOf('public', TABLE).head} FOR UPDATE`);
        await first.query(`BEGIN ISOLATION LEVEL ${level}`);
        await second.query(`BEGIN ISOLATION LEVEL ${level}`);
        await first.query('SELECT pg_advisory_xact_lock(7)');
        await feed.publish('notice', { n: 3 }, { transaction: second });
        await second.query('SAVEPOINT s');
        await feed.publish('notice', { n: 4 }, { transaction: second });
        await second.query('ROLLBACK TO s');
        await feed.publish('notice', { n: 5 }, { transaction: second });
        const waiting = second.query('SELECT pg_advisory_xact_lock(7)');
        await feed.publish('notice', { n: 1 }, { transaction: first });
        await feed.publish('notice', { n: 2 }, { transaction: first });
        await first.query('COMMIT');
        await waiting;
        await second.query('COMMIT');
        await mover.query('COMMIT');
        await vi.waitFor(() => expect(seen).toEqual([1, 2, 3, 5]), { timeout: 10_000 });
        expect(await outboxSize()).toBe(0);
      } finally {
        for (const client of [mover, first, second]) client.release(true);
      }
    },
  );

  test('an open transaction does not block publishers or later transactions', async () => {
    const { feed, seen } = await openFeed();
    await inTransaction(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction });
      await inTransaction(async (later) => await feed.publish('notice', { n: 2 }, { transaction: later }));
      await vi.waitFor(() => expect(seen).toEqual([2]));
      await feed.publish('notice', { n: 3 });
      await vi.waitFor(() => expect(seen).toEqual([2, 3]));
    });
    await vi.waitFor(() => expect(seen).toEqual([2, 3, 1]));
  });

  test('the sql of a transaction of postgres is a transaction', async () => {
    const { feed, seen } = await openFeed();
    await sql.begin(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction });
      await transaction.savepoint(async (inner) => {
        await feed.publish('notice', { n: 2 }, { transaction: inner });
      });
    });
    const failure = new Error('the application rolls back');
    const failing = sql.begin(async (transaction) => {
      await feed.publish('notice', { n: 3 }, { transaction });
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    await sql.begin(async (transaction) => await feed.publish('notice', { n: 4 }, { transaction }));
    await vi.waitFor(() => expect(seen).toEqual([1, 2, 4]));
  });

  test('a function that runs a statement is a transaction of any other library', async () => {
    const { feed, seen } = await openFeed();
    await inTransaction(async (client) => {
      const transaction = (text: string, values: string[]) => client.query(text, values);
      await feed.publish('notice', { n: 1 }, { transaction });
    });
    await vi.waitFor(() => expect(seen).toEqual([1]));
  });

  test('an idempotency key of a transaction counts as one of a publish', async () => {
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const { feed, seen } = await openFeed();
    await feed.publish('notice', { n: 1 }, { idempotencyKey: 'k' });
    await inTransaction(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction, idempotencyKey: 'k' });
      await feed.publish('notice', { n: 2 }, { transaction, idempotencyKey: 'l' });
      await feed.publish('notice', { n: 2 }, { transaction, idempotencyKey: 'l' });
      await feed.publish('notice', { n: 3 }, { transaction, idempotencyKey: 'k' });
    });
    await vi.waitFor(() => expect(seen).toEqual([1, 2]));
    await vi.waitFor(() =>
      expect(String(warnings.mock.calls)).toContain('1 events of transactions were dropped'),
    );
    expect(await feed.publish('notice', { n: 2 }, { idempotencyKey: 'l' })).toMatchObject({
      duplicate: true,
    });
  });

  test('the role of a transaction needs INSERT on the outbox only', async () => {
    const { feed, seen } = await openFeed();
    const { outbox } = namesOf('public', TABLE);
    await server.query(`CREATE ROLE writer; GRANT INSERT ON ${outbox} TO writer`);
    await inTransaction(async (transaction) => {
      await transaction.query('SET LOCAL ROLE writer');
      await feed.publish('notice', { n: 1 }, { transaction });
    });
    await vi.waitFor(() => expect(seen).toEqual([1]));
  });

  test('numbers of rows that were deleted by hand do not block others', async () => {
    const { feed, seen } = await openFeed();
    const { outbox, committed } = namesOf('public', TABLE);
    await inTransaction(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction });
      await transaction.query(`DELETE FROM ${outbox}`);
    });
    await inTransaction(async (transaction) => await feed.publish('notice', { n: 2 }, { transaction }));
    await vi.waitFor(() => expect(seen).toEqual([2]));
    await vi.waitFor(async () => expect(await server.query(`SELECT FROM ${committed}`)).toEqual([]));
  });

  test('a connection of the application that hangs does not hold the feed', async () => {
    const { feed } = await openFeed('pg', 3_000);
    const transaction = () => new Promise(() => undefined);
    await expect(feed.publish('notice', { n: 1 }, { transaction })).rejects.toMatchObject({
      code: 'log_failed',
      message: expect.stringContaining('roll the transaction back'),
    });
  });

  test('an idempotency key with a lone surrogate is refused', async () => {
    const { feed } = await openFeed();
    const publishing = feed.publish('notice', { n: 1 }, { idempotencyKey: 'k\uD800' });
    await expect(publishing).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('a payload that the schema refuses writes nothing', async () => {
    const { feed } = await openFeed();
    await inTransaction(async (transaction) => {
      const publishing = feed.publish('notice', { n: 'one' as never }, { transaction });
      await expect(publishing).rejects.toMatchObject({ code: 'invalid_payload' });
    });
    expect(await outboxSize()).toBe(0);
  });

  test('an event is moved although no process had the log open at its commit', async () => {
    const { feed } = await openFeed();
    await inTransaction(async (transaction) => {
      await feed.publish('notice', { n: 1 }, { transaction });
      await closeAll();
    });
    const { feed: later } = await openFeed();
    const events: unknown[] = [];
    for await (const { data } of later.subscribe('notice', { from: 'earliest' })) {
      events.push(data);
      break;
    }
    expect(events).toEqual([{ n: 1 }]);
  });

  test('two processes move each event once', async () => {
    const [one, two] = [await openFeed(), await openFeed()];
    for (let n = 0; n < 30; n += 1) {
      await inTransaction(async (transaction) => await one.feed.publish('notice', { n }, { transaction }));
    }
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    await vi.waitFor(() => expect([one.seen, two.seen]).toEqual([numbers, numbers]));
  });

  test('another process moves events when the connection of the mover is terminated', async () => {
    const [one, two] = [await openFeed(), await openFeed()];
    await one.feed.publish('notice', { n: 0 });
    await vi.waitFor(() => expect([one.seen, two.seen]).toEqual([[0], [0]]));
    const [row] = await server.query(
      `SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity WHERE query LIKE '%board_tail%' AND pid <> pg_backend_pid()`,
    );
    expect(row!['n']).toBe(2);
    const start = performance.now();
    await inTransaction(async (transaction) => await one.feed.publish('notice', { n: 1 }, { transaction }));
    await vi.waitFor(
      () =>
        expect([one.seen, two.seen]).toEqual([
          [0, 1],
          [0, 1],
        ]),
      { timeout: 10_000 },
    );
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test('another process moves events within 2 s when one is cut off without an end of its connections', async () => {
    const relay = await startRelay(server);
    try {
      const cutOff = await openLog('pg', relay.port, { table: TABLE, pollMs: 10 });
      logs.push(cutOff);
      cutOff.tail({ onEvents: () => undefined, onReset: () => undefined, onError: () => undefined });
      const { feed, seen } = await openFeed();
      await inTransaction(async (transaction) => await feed.publish('notice', { n: 0 }, { transaction }));
      await vi.waitFor(() => expect(seen).toEqual([0]));
      relay.blackHole();
      await inTransaction(async (transaction) => await feed.publish('notice', { n: 1 }, { transaction }));
      await vi.waitFor(() => expect(seen).toEqual([0, 1]), { timeout: 2_000 });
    } finally {
      relay.pass();
      await closeAll();
      await relay.close();
    }
  });

  test.each([
    ['a Pool', () => pool, 'not a Pool, whose statements are in no transaction'],
    ['the sql of postgres()', () => sql, 'not the sql of postgres(), whose statements are in no transaction'],
    ['another object', () => ({}), 'not a value of type object'],
  ])('%s is refused as a transaction', async (_name, transaction, message) => {
    const { feed } = await openFeed();
    const publishing = feed.publish('notice', { n: 1 }, { transaction: transaction() });
    await expect(publishing).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
    expect(await outboxSize()).toBe(0);
  });

  test('a client of pg outside of a transaction is refused', async () => {
    const { feed } = await openFeed();
    const client = await pool.connect();
    const publish = () => feed.publish('notice', { n: 1 }, { transaction: client });
    const refused = { code: 'invalid_option', message: expect.stringContaining('in no transaction') };
    try {
      await expect(publish()).rejects.toMatchObject(refused);
      await client.query('BEGIN');
      await publish();
      await client.query('ROLLBACK');
      await expect(publish()).rejects.toMatchObject(refused);
    } finally {
      client.release();
    }
    expect(await outboxSize()).toBe(0);
  });

  test('a function that returns no promise is refused', async () => {
    const { feed } = await openFeed();
    const transaction = (() => undefined) as never;
    await expect(feed.publish('notice', { n: 1 }, { transaction })).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('a function that returns no promise'),
    });
  });

  test('an error in a transaction has the remedy to repeat it whole, and keeps the cause', async () => {
    const { feed } = await openFeed();
    await inTransaction(async (transaction) => {
      await transaction.query('SELECT 1/0').catch(() => undefined);
      await expect(feed.publish('notice', { n: 1 }, { transaction })).rejects.toMatchObject({
        name: 'LinefeedError',
        code: 'log_failed',
        retryable: true,
        message: expect.stringMatching(/current transaction is aborted.*repeat the whole transaction/),
        cause: expect.objectContaining({ code: '25P02' }),
      });
    }, 'ROLLBACK');
  });

  test('a log without transactions refuses the option', async () => {
    const feed = createFeed(board, { log: memoryLog() });
    feeds.push(feed);
    await expect(feed.publish('notice', { n: 1 }, { transaction: {} })).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('postgresLog'),
    });
  });
});
