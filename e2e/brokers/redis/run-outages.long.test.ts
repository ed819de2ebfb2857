/** A Redis server with runs, or the way to it, is away, or has lost commits. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  startRedis,
  startReplica,
  type RedisServer,
} from '../../../packages/server/test-kit/brokers/redis.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import { expectRunLoss, expectRunOutage, startRunScene, type RunScene } from '../kit/run-outage.ts';

describe.each(['node-redis', 'ioredis', 'iovalkey'] as const)('by %s', (library) => {
  let server: RedisServer;
  let replica: RedisServer;
  /** From the replica to the server. */
  let link: Relay;
  /** From the processes to the server that they use. */
  let relay: Relay;
  let scene: RunScene;

  beforeAll(async () => {
    server = await startRedis();
    link = await startRelay(server);
    replica = await startReplica(link);
    relay = await startRelay(server);
    scene = await startRunScene({ kind: 'redis', library, mode: 'single', ports: [relay.port] });
  });

  afterAll(async () => {
    await scene?.close();
    await Promise.all([server, replica, link, relay].map((each) => each?.close()));
  });

  test('a run goes on after a crash and restart of Redis with its file', async () => {
    await expectRunOutage(scene, { name: 'crash', away: () => server.kill(), back: () => server.start() });
  });

  test('a run goes on after Redis was hung', async () => {
    await expectRunOutage(scene, { name: 'hung', away: () => server.pause(), back: () => server.resume() });
  });

  test('a run goes on after half-open connections to Redis', async () => {
    await expectRunOutage(scene, { name: 'half', away: () => relay.blackHole(), back: () => relay.pass() });
  });

  test('a run is gone after FLUSHALL, and another one can start', async () => {
    await expectRunLoss(scene, {
      name: 'flushall',
      lose: async () => void (await server.command('FLUSHALL')),
      outcome: 'gone',
    });
  });

  test('a run is gone after a crash of a Redis without persistence, and another one can start', async () => {
    await expectRunLoss(scene, {
      name: 'empty',
      lose: () => server.restart({ kill: true, keepData: false }),
      outcome: 'gone',
    });
  });

  test('a run is lost when a promoted replica lacks its newest events, and another one can start', async () => {
    await expectRunLoss(scene, {
      name: 'promoted',
      async before() {
        await expect
          .poll(() => replica.command('INFO', 'replication'), { timeout: 30_000 })
          .toContain('master_link_status:up');
        link.refuse();
      },
      async lose() {
        await replica.command('REPLICAOF', 'NO', 'ONE');
        relay.moveTo(replica);
      },
      outcome: 'lost',
    });
  });
});
