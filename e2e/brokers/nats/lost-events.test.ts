/** A NATS server loses events that it has acknowledged. */
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, test } from 'vitest';
import { startNats, type NatsServer } from '../../../packages/server/test-kit/brokers/nats.ts';
import { LOG_NAME } from '../kit/log-spec.ts';
import { expectAnnouncedLoss } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

let server: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
let scene: Scene;

beforeAll(async () => {
  server = await startNats();
  connection = await connect({ servers: server.url, maxReconnectAttempts: -1 });
  manager = await jetstreamManager(connection);
  scene = await startScene({ kind: 'nats', servers: [server.url], replicas: 1 });
  await scene.read('one');
});

afterAll(async () => {
  await scene.close();
  await connection.close();
  await server.close();
});

test('a deleted and re-created stream is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'deleted',
    async lose() {
      const { config } = await manager.streams.info(LOG_NAME);
      await manager.streams.delete(LOG_NAME);
      await manager.streams.add(config);
    },
  });
});

test('a purged stream is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'purged',
    reason: 'trimmed',
    async lose() {
      await manager.streams.purge(LOG_NAME);
      // A process that runs still holds the events: only a new one cannot deliver them.
      await scene.restart(0);
    },
  });
});

test('a restart of NATS without its files is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'no persistence',
    lose: () => server.restart({ kill: true, keepData: false }),
  });
});
