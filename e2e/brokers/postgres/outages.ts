/** The outages of a PostgreSQL server, for each client library. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../packages/server/test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import type { PostgresSpec } from '../kit/log-spec.ts';
import { expectOutage, missingOf } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

export function describeOutages(library: PostgresSpec['library']): void {
  describe(`by ${library}`, () => {
    let server: PostgresServer;
    let relay: Relay;
    let scene: Scene;

    beforeAll(async () => {
      server = await startPostgres();
      relay = await startRelay(server);
      scene = await startScene({ kind: 'postgres', library, ports: [relay.port] });
      await scene.read('one');
      await scene.read('two');
    });

    afterAll(async () => {
      await scene.close();
      await relay.close();
      await server.close();
    });

    test('a crash and restart of PostgreSQL loses and doubles no event', async () => {
      await expectOutage(scene, { name: 'crash', away: () => server.kill(), back: () => server.start() });
    });

    test('a hung PostgreSQL loses and doubles no event', async () => {
      await expectOutage(scene, { name: 'hung', away: () => server.pause(), back: () => server.resume() });
    });

    // postgres.js 3.4.9 keeps a hung connection in its pool, where no log can end it, and it may end the process with an
    // uncaught error in such an outage.
    if (library === 'postgres') return;

    test('half-open connections to PostgreSQL lose and double no event', async () => {
      await expectOutage(scene, {
        name: 'half-open',
        away: () => relay.blackHole(),
        back: () => relay.pass(),
      });
    });

    test('pg_terminate_backend of every connection, again and again, loses and doubles no event', async () => {
      const runs = [
        scene.publish(0, 'terminated'),
        scene.publish(1, 'terminated in a transaction', { mode: 'transaction' }),
      ];
      const connections = scene.readers.map((reader) => reader.connections);
      for (let round = 0; round < 5; round += 1) {
        for (const run of runs) await scene.progress(run, 10);
        const rows = await server.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
        // Appends, tail and mover.
        expect(rows.length).toBeGreaterThan(2);
      }
      for (const run of runs) await scene.progress(run, 10);
      expect(missingOf(await scene.settle())).toEqual([0, 0]);
      expect(scene.readers.map((reader) => reader.connections)).toEqual(connections);
    });
  });
}
