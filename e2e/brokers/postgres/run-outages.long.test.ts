/** A PostgreSQL server with runs, or the way to it, is away, or has lost commits. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import {
  startPostgres,
  type Backup,
  type PostgresServer,
} from '../../../packages/server/test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import { expectRunLoss, expectRunOutage, startRunScene, type RunScene } from '../kit/run-outage.ts';

describe.each(['pg', 'postgres'] as const)('by %s', (library) => {
  let server: PostgresServer;
  let relay: Relay;
  let scene: RunScene;

  beforeAll(async () => {
    server = await startPostgres();
    relay = await startRelay(server);
    scene = await startRunScene({ kind: 'postgres', library, ports: [relay.port] });
  });

  afterAll(async () => {
    await scene?.close();
    await Promise.all([server, relay].map((each) => each?.close()));
  });

  test('a run goes on after a crash and restart of PostgreSQL', async () => {
    await expectRunOutage(scene, { name: 'crash', away: () => server.kill(), back: () => server.start() });
  });

  test('a run goes on after PostgreSQL was hung', async () => {
    await expectRunOutage(scene, { name: 'hung', away: () => server.pause(), back: () => server.resume() });
  });

  test('a run is lost when a restored PostgreSQL lacks its newest events, and another one can start', async () => {
    let backup: Backup;
    await expectRunLoss(scene, {
      name: 'restored',
      before: async () => void (backup = await server.backup()),
      lose: () => server.restore(backup),
      outcome: 'lost',
    });
  });

  // postgres.js 3.4.9 keeps a hung connection in its pool, where no store can end it.
  if (library === 'postgres') return;

  test('a run goes on after half-open connections to PostgreSQL', async () => {
    await expectRunOutage(scene, { name: 'half', away: () => relay.blackHole(), back: () => relay.pass() });
  });
});
