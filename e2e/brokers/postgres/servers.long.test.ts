/** The started PostgreSQL servers do what tests of logs need. */
import { expect, test } from 'vitest';
import postgres from 'postgres';
import { startPrimaryAndStandby, startPostgres } from '../../../packages/server/test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';

test('a PostgreSQL server keeps its data over a crash, is restored from a backup, and can start empty', async () => {
  const server = await startPostgres();
  try {
    const sql = postgres(server.url, { max: 1 });
    await sql`CREATE TABLE a (n int)`;
    await sql.end();
    const backup = await server.backup();
    await server.query('INSERT INTO a VALUES (1)');
    await server.restart({ kill: true });
    expect(await server.query('SELECT n FROM a')).toEqual([{ n: 1 }]);
    await server.restore(backup);
    expect(await server.query('SELECT n FROM a')).toEqual([]);
    await server.restart({ keepData: false });
    await expect(server.query('SELECT n FROM a')).rejects.toThrow('does not exist');
  } finally {
    await server.close();
  }
});

test('a paused PostgreSQL server does not answer an open connection', async () => {
  const server = await startPostgres();
  const sql = postgres(server.url, { max: 1 });
  try {
    await sql`SELECT 1`;
    server.pause();
    const answer = sql`SELECT 2 AS n`.execute();
    await expect(Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100))])).resolves.toBe(
      undefined,
    );
    server.resume();
    expect([...(await answer)]).toEqual([{ n: 2 }]);
  } finally {
    server.resume();
    await sql.end();
    await server.close();
  }
});

test('a promoted standby can lose the tail of its primary', async () => {
  let link: Relay | undefined;
  const { primary, standby, close } = await startPrimaryAndStandby({
    linkPort: async (port) => {
      link = await startRelay(port);
      return link.port;
    },
  });
  try {
    await primary.query('CREATE TABLE a (n int)');
    await expect
      .poll(() => standby.query('SELECT n FROM a').catch(() => 'no table'), { timeout: 30_000 })
      .toEqual([]);
    link!.refuse();
    await primary.query('INSERT INTO a VALUES (1)');
    await standby.promote();
    expect(await standby.query('SELECT n FROM a')).toEqual([]);
  } finally {
    await close();
    await link!.close();
  }
});
