/** The owner of the log's slot in a Redis Cluster dies, or hands over. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startRedisCluster, type RedisCluster } from '../../../packages/server/test-kit/brokers/redis.ts';
import { LOG_NAME } from '../kit/log-spec.ts';
import { expectOutage, missingOf } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

describe.each(['node-redis', 'ioredis'] as const)('by %s', (library) => {
  let cluster: RedisCluster;
  let scene: Scene;

  beforeEach(async () => {
    cluster = await startRedisCluster({ replicas: true });
    scene = await startScene({ kind: 'redis', library, mode: 'cluster', ports: cluster.ports });
    await scene.read('one');
    await scene.read('two');
  });

  afterEach(async () => {
    await scene.close();
    await cluster.close();
  });

  test('a killed owner is replaced, and everything continues without a double event', async () => {
    const owner = await cluster.ownerOf(`{${LOG_NAME}}`);
    await expectOutage(scene, {
      name: 'killed owner',
      away: () => owner.kill(),
      async back() {
        const others = cluster.nodes.filter((node) => node !== owner);
        await expect
          .poll(async () => String(await others[0]!.command('CLUSTER', 'INFO')), { timeout: 60_000 })
          .toContain('cluster_slots_ok:16384');
      },
      losesEvents: true,
    });
  });

  test('a planned failover of the owner loses and doubles no event', async () => {
    const owner = await cluster.ownerOf(`{${LOG_NAME}}`);
    const replica = cluster.nodes[cluster.nodes.indexOf(owner) + 3]!;
    const run = scene.publish(0, 'planned');
    await scene.progress(run, 30);
    await replica.command('CLUSTER', 'FAILOVER');
    await expect
      .poll(async () => (await cluster.ownerOf(`{${LOG_NAME}}`)).port, { timeout: 60_000 })
      .toBe(replica.port);
    await scene.progress(run, 30);
    expect(missingOf(await scene.settle())).toEqual([0, 0]);
  });
});
