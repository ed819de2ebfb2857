import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { connectWith, drop } from '../../../../test-kit/postgres-bench.ts';
import { postgresLog } from './postgres-log.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server?.close();
});

test('an eviction removes at most a sixteenth of maxEvents past the bound', async () => {
  const { client, end } = connectWith('pg', server.port, 2);
  const log = await postgresLog({ client, table: 'board', maxEvents: 1_600 });
  const held: number[] = [];
  for (let batch = 0; batch < 8; batch += 1) {
    const entries = Array.from({ length: 300 }, (_, n) => ({
      address: `a${n % 7}`,
      data: String(n),
      keep: 'all' as const,
    }));
    await log.append(entries);
    const [row] = await server.query('SELECT count(*)::int AS held FROM board_event');
    held.push((row as { held: number }).held);
  }
  await log.close?.();
  await end();
  await drop(server, 'board');
  expect(held.slice(0, 5)).toEqual([300, 600, 900, 1_200, 1_500]);
  for (const count of held.slice(5)) {
    expect(count).toBeGreaterThanOrEqual(1_500);
    expect(count).toBeLessThanOrEqual(1_600);
  }
});
