/** Two feed processes publish through pgbouncer in transaction mode; their tails connect to the server itself. */
import { expect, test } from 'vitest';
import { startPgbouncer } from '../../../packages/server/test-kit/brokers/pgbouncer.ts';
import { startPostgres } from '../../../packages/server/test-kit/brokers/postgres.ts';
import { missingOf } from '../kit/outage.ts';
import { startScene } from '../kit/scene.ts';

test.each(['pg', 'postgres'] as const)(
  'appends by %s through pgbouncer in transaction mode lose and double no event, and it may restart',
  async (library) => {
    const server = await startPostgres();
    const pgbouncer = await startPgbouncer({ postgres: server });
    const scene = await startScene({
      kind: 'postgres',
      library,
      ports: [pgbouncer.port],
      tailPort: server.port,
    });
    try {
      await scene.read('one');
      const runs = [scene.publish(0, 'first'), scene.publish(1, 'second', { mode: 'transaction' })];
      for (const run of runs) await scene.progress(run, 30);
      await pgbouncer.restart({ kill: true });
      for (const run of runs) await scene.progress(run, 30);
      expect(missingOf(await scene.settle())).toEqual([0]);
    } finally {
      await scene.close();
      await pgbouncer.close();
      await server.close();
    }
  },
);
