/** A NATS server, or the way to it, is away while two feed processes publish. */
import { afterAll, beforeAll, test } from 'vitest';
import { startNats, type NatsServer } from '../../../packages/server/test-kit/brokers/nats.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import { expectOutage } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

let server: NatsServer;
let relay: Relay;
let scene: Scene;

beforeAll(async () => {
  server = await startNats();
  relay = await startRelay(server);
  scene = await startScene({ kind: 'nats', servers: [`nats://127.0.0.1:${relay.port}`], replicas: 1 });
  await scene.read('one');
  await scene.read('two');
});

afterAll(async () => {
  await scene.close();
  await relay.close();
  await server.close();
});

test('a crash and restart of NATS with its files loses and doubles no event', async () => {
  await expectOutage(scene, { name: 'crash', away: () => server.kill(), back: () => server.start() });
});

test('a hung NATS server loses and doubles no event', async () => {
  await expectOutage(scene, { name: 'hung', away: () => server.pause(), back: () => server.resume() });
});

test('half-open connections to NATS lose and double no event', async () => {
  await expectOutage(scene, {
    name: 'half-open',
    away: () => relay.blackHole(),
    back: () => relay.pass(),
  });
});
