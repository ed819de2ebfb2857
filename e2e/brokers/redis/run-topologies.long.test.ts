/** Runs on a Redis Cluster and with Sentinels: ordinary use, and a failover. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  startRedis,
  startRedisCluster,
  startReplica,
  startSentinels,
  type RedisCluster,
  type RedisServer,
  type Sentinels,
} from '../../../packages/server/test-kit/brokers/redis.ts';
import { LOG_NAME } from '../kit/log-spec.ts';
import { expectRunOutage, startRunScene, type RunScene } from '../kit/run-outage.ts';
import { testRunProcesses } from '../kit/run-processes.ts';

const LIBRARIES = ['node-redis', 'ioredis'] as const;

describe.each(LIBRARIES)('a cluster by %s', (library) => {
  testRunProcesses(async () => {
    const cluster = await startRedisCluster();
    return {
      spec: { kind: 'redis', library, mode: 'cluster', ports: cluster.ports },
      close: () => cluster.close(),
    };
  });
});

describe.each(LIBRARIES)('the killed owner of the slot in a cluster, by %s', (library) => {
  let cluster: RedisCluster;
  let scene: RunScene;

  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: true });
    scene = await startRunScene({ kind: 'redis', library, mode: 'cluster', ports: cluster.ports });
  });
  afterAll(async () => {
    await scene?.close();
    await cluster?.close();
  });

  test('a run goes on, or ends for all as lost, after the owner is replaced', async () => {
    const owner = await cluster.ownerOf(`{${LOG_NAME}}`);
    await expectRunOutage(scene, {
      name: 'owner',
      away: () => owner.kill(),
      async back() {
        const others = cluster.nodes.filter((node) => node !== owner);
        await expect
          .poll(async () => String(await others[0]!.command('CLUSTER', 'INFO')), { timeout: 60_000 })
          .toContain('cluster_slots_ok:16384');
      },
      losesCommits: true,
    });
  });
});

describe.each(LIBRARIES)('Sentinels by %s', (library) => {
  let master: RedisServer;
  let replica: RedisServer;
  let sentinels: Sentinels;
  let scene: RunScene;

  beforeEach(async () => {
    master = await startRedis();
    replica = await startReplica(master);
    sentinels = await startSentinels({ master, replicas: 1, count: 3, downAfterMs: 1_500 });
    const ports = sentinels.sentinels.map(({ port }) => port);
    scene = await startRunScene({ kind: 'redis', library, mode: 'sentinel', ports });
  });
  afterEach(async () => {
    await scene?.close();
    await sentinels?.close();
    await Promise.all([master?.close(), replica?.close()]);
  });

  test.each(['kill', 'pause'] as const)(
    'a run goes on, or ends for all as lost, after a failover from a master (%s)',
    async (fault) => {
      await expectRunOutage(scene, {
        name: 'failover',
        away: () => master[fault](),
        back: () => expect.poll(() => sentinels.masterPort(), { timeout: 60_000 }).toBe(replica.port),
        losesCommits: true,
      });
    },
  );
});
