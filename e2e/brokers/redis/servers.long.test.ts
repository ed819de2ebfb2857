/** The started Redis servers do what tests of logs need, for each client library. */
import { Redis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';
import { expect, test } from 'vitest';
import { startRelay } from '../../../packages/server/test-kit/brokers/relay.ts';
import {
  startRedis,
  startRedisCluster,
  startReplica,
  startSentinels,
} from '../../../packages/server/test-kit/brokers/redis.ts';

test('a Redis server keeps its data over a crash, answers again after a pause, and can start empty', async () => {
  const server = await startRedis();
  try {
    const node = await createClient({ url: server.url }).connect();
    await node.set('a', '1');
    node.destroy();
    await server.restart({ kill: true });
    const ioredis = new Redis(server.url);
    expect(await ioredis.get('a')).toBe('1');
    server.pause();
    const answer = ioredis.get('a');
    await expect(Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 100))])).resolves.toBe(
      undefined,
    );
    server.resume();
    expect(await answer).toBe('1');
    ioredis.disconnect();
    await server.restart({ keepData: false });
    const valkey = new Valkey(server.url);
    expect(await valkey.get('a')).toBeNull();
    valkey.disconnect();
  } finally {
    await server.close();
  }
});

test('a replica that a relay cuts off loses the tail of its master', async () => {
  const master = await startRedis();
  const link = await startRelay(master);
  const replica = await startReplica(link);
  try {
    await master.command('SET', 'a', '1');
    await expect.poll(() => replica.command('GET', 'a'), { timeout: 30_000 }).toBe('1');
    link.refuse();
    await master.command('SET', 'a', '2');
    await replica.command('REPLICAOF', 'NO', 'ONE');
    expect(await replica.command('GET', 'a')).toBe('1');
  } finally {
    await Promise.all([master.close(), replica.close(), link.close()]);
  }
});

test('Sentinels make the replica of a killed master the master', async () => {
  const master = await startRedis();
  const replica = await startReplica(master);
  const sentinels = await startSentinels({ master, replicas: 1, count: 3 });
  try {
    expect(await sentinels.masterPort()).toBe(master.port);
    await master.kill();
    await expect.poll(() => sentinels.masterPort(), { timeout: 60_000 }).toBe(replica.port);
  } finally {
    await sentinels.close();
    await Promise.all([master.close(), replica.close()]);
  }
});

test('a Redis Cluster with replicas names the owner of a key', async () => {
  const cluster = await startRedisCluster({ replicas: true });
  try {
    const owner = await cluster.ownerOf('{board}a');
    expect(await owner.command('SET', '{board}a', '1')).toBe('OK');
  } finally {
    await cluster.close();
  }
});
