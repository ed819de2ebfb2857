/** Sentinel fails over while two feed processes publish. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  startRedis,
  startReplica,
  startSentinels,
  type RedisServer,
  type Sentinels,
} from '../../../packages/server/test-kit/brokers/redis.ts';
import { expectAnnouncedLoss, expectOutage } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

describe.each(['node-redis', 'ioredis'] as const)('by %s', (library) => {
  let master: RedisServer;
  let replica: RedisServer;
  let sentinels: Sentinels;
  let scene: Scene;

  beforeEach(async () => {
    master = await startRedis();
    replica = await startReplica(master);
    // A replica that was cut off for more than ten times this long is not promoted.
    sentinels = await startSentinels({ master, replicas: 1, count: 3, downAfterMs: 1_500 });
    const ports = sentinels.sentinels.map(({ port }) => port);
    scene = await startScene({ kind: 'redis', library, mode: 'sentinel', ports });
    await scene.read('one');
    await scene.read('two');
  });

  afterEach(async () => {
    await scene.close();
    await sentinels.close();
    await Promise.all([master.close(), replica.close()]);
  });

  const promoted = () => expect.poll(() => sentinels.masterPort(), { timeout: 60_000 }).toBe(replica.port);

  test('a failover from a killed master continues by itself, without a double event', async () => {
    // Replication is asynchronous: the newest events may be lost, with a gap.
    await expectOutage(scene, {
      name: 'killed',
      away: () => master.kill(),
      back: promoted,
      losesEvents: true,
    });
  });

  test('a failover from a hung master continues by itself, without a double event', async () => {
    await expectOutage(scene, {
      name: 'hung',
      away: () => master.pause(),
      back: promoted,
      losesEvents: true,
    });
  });

  test('a failover to a replica that lacks the newest events is announced', async () => {
    await expectAnnouncedLoss(scene, {
      name: 'lost tail',
      // Sentinel would lead the replica past a relay: it may no longer log in.
      async before() {
        await replica.command('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
        await master.command('CLIENT', 'KILL', 'TYPE', 'replica');
      },
      async lose() {
        await master.kill();
        await promoted();
      },
    });
  });
});
