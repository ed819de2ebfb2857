/** The started pgbouncer pools transactions. */
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { startPgbouncer } from '../../../packages/server/test-kit/brokers/pgbouncer.ts';
import { startPostgres } from '../../../packages/server/test-kit/brokers/postgres.ts';

test('two clients of a pgbouncer in transaction mode share one server connection', async () => {
  const server = await startPostgres();
  const pgbouncer = await startPgbouncer({ postgres: server });
  const clients = [new Client(pgbouncer.url), new Client(pgbouncer.url)];
  try {
    const pids = new Set<number>();
    for (const client of clients) {
      await client.connect();
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      pids.add(rows[0]!.pid);
    }
    expect(pids.size).toBe(1);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await pgbouncer.close();
    await server.close();
  }
});
