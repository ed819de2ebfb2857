/** A Redis server loses events that it has acknowledged. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import {
  startRedis,
  startReplica,
  type RedisServer,
} from '../../../packages/server/test-kit/brokers/redis.ts';
import { expectAnnouncedLoss, missingOf } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

let master: RedisServer;
let replica: RedisServer;
/** From the replica to the master. */
let link: Relay;
/** From the feeds to the server that they use. */
let relay: Relay;
let scene: Scene;

beforeAll(async () => {
  master = await startRedis();
  link = await startRelay(master);
  replica = await startReplica(link);
  relay = await startRelay(master);
  scene = await startScene({ kind: 'redis', library: 'ioredis', mode: 'single', ports: [relay.port] });
  await scene.read('one');
});

afterAll(async () => {
  await scene.close();
  await Promise.all([master.close(), replica.close(), link.close(), relay.close()]);
});

test('FLUSHALL is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'flushall',
    lose: async () => void (await master.command('FLUSHALL')),
  });
});

test('a deleted stream of the tail loses no event in silence', async () => {
  const runs = [scene.publish(0, 'del 0'), scene.publish(1, 'del 1')];
  for (const run of runs) await scene.progress(run, 20);
  const keys = (await master.command('KEYS', '*')) as string[];
  const types = await Promise.all(keys.map((key) => master.command('TYPE', key)));
  const streams = keys.filter((_, index) => types[index] === 'stream');
  expect(await master.command('DEL', ...(streams as [string]))).toBe(1);
  for (const run of runs) await scene.progress(run, 20);
  // The scripts read pages from other keys, so that most events are still there.
  expect(missingOf(await scene.settle())[0]).toBeLessThan(5);
});

test('a log whose keys are all deleted is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'del all',
    async lose() {
      const keys = (await master.command('KEYS', '*')) as string[];
      await master.command('DEL', ...(keys as [string]));
    },
  });
});

test('a crash of a Redis without persistence is announced', async () => {
  await expectAnnouncedLoss(scene, {
    name: 'no persistence',
    lose: () => master.restart({ kill: true, keepData: false }),
  });
});

test('a promoted replica that lacks the newest events is announced', async () => {
  await expect
    .poll(() => replica.command('INFO', 'replication'), { timeout: 30_000 })
    .toContain('master_link_status:up');
  await expectAnnouncedLoss(scene, {
    name: 'promoted',
    before: () => link.refuse(),
    async lose() {
      await replica.command('REPLICAOF', 'NO', 'ONE');
      relay.moveTo(replica);
    },
  });
});
