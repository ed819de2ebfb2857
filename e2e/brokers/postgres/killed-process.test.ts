/** A feed process on a PostgreSQL log dies. */
import { test } from 'vitest';
import { startPostgres } from '../../../packages/server/test-kit/brokers/postgres.ts';
import { expectNothingLostByKills } from '../kit/killed-process.ts';

test('kill -9 of either of two feed processes on a PostgreSQL log loses and doubles no event', async () => {
  const server = await startPostgres();
  try {
    await expectNothingLostByKills({ kind: 'postgres', library: 'pg', ports: [server.port] });
  } finally {
    await server.close();
  }
});

test('kill -9 of the process that moves the events of transactions loses and doubles no event', async () => {
  const server = await startPostgres();
  try {
    await expectNothingLostByKills(
      { kind: 'postgres', library: 'postgres', ports: [server.port] },
      { mode: 'transaction' },
    );
  } finally {
    await server.close();
  }
});
