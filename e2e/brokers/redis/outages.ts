/** The outages of a Redis server, for each client library. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import { startRedis, type RedisServer } from '../../../packages/server/test-kit/brokers/redis.ts';
import type { RedisSpec } from '../kit/log-spec.ts';
import { expectOutage } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

export function describeOutages(library: RedisSpec['library']): void {
  describe(`by ${library}`, () => {
    let server: RedisServer;
    let relay: Relay;
    let scene: Scene;

    beforeAll(async () => {
      server = await startRedis();
      relay = await startRelay(server);
      scene = await startScene({ kind: 'redis', library, mode: 'single', ports: [relay.port] });
      await scene.read('one');
      await scene.read('two');
    });

    afterAll(async () => {
      await scene.close();
      await relay.close();
      await server.close();
    });

    test('a crash and restart of Redis with its file loses and doubles no event', async () => {
      await expectOutage(scene, { name: 'crash', away: () => server.kill(), back: () => server.start() });
    });

    test('a hung Redis loses and doubles no event', async () => {
      await expectOutage(scene, { name: 'hung', away: () => server.pause(), back: () => server.resume() });
    });

    test('half-open connections to Redis lose and double no event', async () => {
      await expectOutage(scene, {
        name: 'half-open',
        away: () => relay.blackHole(),
        back: () => relay.pass(),
      });
    });
  });
}
