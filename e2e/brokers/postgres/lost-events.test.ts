/** A PostgreSQL server loses events that it has acknowledged. */
import { afterAll, beforeAll, test } from 'vitest';
import {
  startPostgres,
  type Backup,
  type PostgresServer,
} from '../../../packages/server/test-kit/brokers/postgres.ts';
import { expectAnnouncedLoss } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

let server: PostgresServer;
let scene: Scene;

beforeAll(async () => {
  server = await startPostgres();
  scene = await startScene({ kind: 'postgres', library: 'pg', ports: [server.port] });
  await scene.read('one');
});

afterAll(async () => {
  await scene.close();
  await server.close();
});

test('a PostgreSQL that is restored from an older backup is announced', async () => {
  let backup: Backup;
  await expectAnnouncedLoss(scene, {
    name: 'restored',
    before: async () => void (backup = await server.backup()),
    lose: () => server.restore(backup),
  });
});
