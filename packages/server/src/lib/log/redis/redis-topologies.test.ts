import { Cluster, Redis as IoRedis } from 'ioredis';
import { createCluster, createSentinel } from 'redis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  startRedisCluster,
  startRedis,
  startReplica,
  startSentinels,
} from '../../../../test-kit/brokers/redis.ts';
import type { RedisClient } from '../../database/redis/client.ts';
import { redisLog } from './redis-log.ts';

const closing: Array<() => unknown> = [];
afterAll(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const entry = (value: unknown) => ({ address: 'a', data: JSON.stringify(value), keep: 'all' as const });

/** Uses a log over a client. Returns the events that its tail told, and the sizes of pages that were read at once. */
async function useLog(client: RedisClient, key: string): Promise<{ told: unknown[]; pages: number[] }> {
  const log = await redisLog({ client, key, timeoutMs: 5_000, waitMs: 500 });
  const told: unknown[] = [];
  log.tail({
    onEvents: (events) => void told.push(...events.map(({ data }) => JSON.parse(data) as unknown)),
    onReset: () => undefined,
    onError: () => undefined,
  });
  await Promise.all(NUMBERS.map(async (n) => await log.append([entry(n)])));
  await vi.waitFor(() => expect(told).toHaveLength(NUMBERS.length), 10_000);
  const read = async (limit: number) =>
    await log.read({ after: '0', addresses: new Map([['a', '0']]), limit, maxBytes: 1e6 });
  const pages = await Promise.all([1, 2, 3].map(read));
  await log.close?.();
  return { told, pages: pages.map(({ events }) => events.length) };
}

const NUMBERS = Array.from({ length: 30 }, (_, index) => index + 1);
const EXPECTED = { told: NUMBERS, pages: [1, 2, 3] };

describe('a cluster', () => {
  let ports: readonly number[];
  beforeAll(async () => {
    const cluster = await startRedisCluster();
    closing.push(() => cluster.close());
    ({ ports } = cluster);
  });

  test('redisLog works with a cluster client of node-redis', async () => {
    const client = createCluster({
      rootNodes: ports.map((port) => ({ socket: { host: '127.0.0.1', port } })),
    });
    client.on('error', () => undefined);
    await client.connect();
    closing.push(() => client.destroy());
    expect(await useLog(client, 'one')).toEqual(EXPECTED);
    expect(await useLog(client, 'two')).toEqual(EXPECTED);
  });

  test('redisLog works with a cluster client of ioredis', async () => {
    const client = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })));
    client.on('error', () => undefined);
    closing.push(() => client.disconnect());
    expect(await useLog(client, 'three')).toEqual(EXPECTED);
    expect(await useLog(client, 'four')).toEqual(EXPECTED);
  });
});

describe('Sentinel', () => {
  let sentinels: { host: string; port: number }[];
  let name: string;
  beforeAll(async () => {
    const master = await startRedis();
    closing.push(() => master.close());
    const replica = await startReplica(master);
    closing.push(() => replica.close());
    const started = await startSentinels({ master, replicas: 1 });
    closing.push(() => started.close());
    sentinels = started.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
    ({ name } = started);
  });

  test('redisLog works with a Sentinel client of node-redis', async () => {
    const client = createSentinel({ name, sentinelRootNodes: sentinels });
    client.on('error', () => undefined);
    await client.connect();
    closing.push(() => client.destroy());
    expect(await useLog(client, 'one')).toEqual(EXPECTED);
  });

  test('redisLog works with a Sentinel client of ioredis', async () => {
    const client = new IoRedis({ sentinels, name, failoverDetector: true });
    client.on('error', () => undefined);
    closing.push(() => client.disconnect());
    expect(await useLog(client, 'two')).toEqual(EXPECTED);
  });
});
