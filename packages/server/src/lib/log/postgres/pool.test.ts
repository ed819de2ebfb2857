import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import { postgresLog } from './postgres-log.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server?.close();
});

const value = (data: string) => [{ address: 'a', data, keep: 'all' as const }];

test('a pool without a limit of connecting does not stay full of connections that got no answer', async () => {
  const relay = await startRelay(server);
  const pool = new Pool({
    host: '127.0.0.1',
    port: relay.port,
    user: 'postgres',
    database: 'postgres',
    max: 2,
  });
  // After the log was closed, errors of idle connections are the application's.
  pool.on('error', () => undefined);
  // Creates the tables, which takes a busy machine longer than the deadline of the test.
  await (await postgresLog({ client: pool, table: 'board' })).close?.();
  const log = await postgresLog({ client: pool, table: 'board', timeoutMs: 3_000 });
  try {
    await log.append(value('1'));
    relay.blackHole();
    for (let n = 0; n < 2; n += 1) {
      await expect(log.append(value('2'))).rejects.toMatchObject({ code: 'log_failed', retryable: true });
    }
    relay.pass();
    await vi.waitFor(async () => expect(await log.append(value('3'))).toBeDefined(), { timeout: 60_000 });
    const read = { after: '0', addresses: new Map([['a', '0']]), limit: 10, maxBytes: 1_000 };
    expect((await log.read(read)).events.at(-1)?.data).toBe('3');
  } finally {
    await log.close?.();
    await pool.end();
    await relay.close();
  }
});
