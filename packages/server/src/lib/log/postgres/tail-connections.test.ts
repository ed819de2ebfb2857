import { Pool } from 'pg';
import { afterAll, expect, test } from 'vitest';
import { startPostgres } from '../../../../test-kit/brokers/postgres.ts';
import { expectOneConnectionOfTheTail } from '../../../../test-kit/brokers/tail-connections.ts';
import { postgresLog } from './postgres-log.ts';

const server = await startPostgres();
// One connection, so that the pool does not grow with the number of calls.
const pool = new Pool({ connectionString: server.url, max: 1 });
pool.on('error', () => undefined);
afterAll(async () => {
  await pool.end();
  await server.close();
});

async function countConnections(): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend'`,
  );
  return rows[0]!.n;
}

test('the tails and readers of a process cost PostgreSQL one connection, which ends with the log', async () => {
  const before = await countConnections();
  await expectOneConnectionOfTheTail(
    () => postgresLog({ client: pool, table: 'connections' }),
    countConnections,
  );
  await expect.poll(countConnections).toBe(before);
});
