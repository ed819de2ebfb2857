import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { startRedis } from '../../../../test-kit/brokers/redis.ts';
import { expectOneConnectionOfTheTail } from '../../../../test-kit/brokers/tail-connections.ts';
import { redisLog } from './redis-log.ts';

const server = await startRedis();
const client = new Redis(server.url);
afterAll(async () => {
  await client.quit();
  await server.close();
});

async function countConnections(): Promise<number> {
  return String(await client.call('CLIENT', 'LIST'))
    .trim()
    .split('\n').length;
}

test('the tails and readers of a process cost Redis one connection', async () => {
  await expectOneConnectionOfTheTail(() => redisLog({ client, key: 'connections' }), countConnections);
});

test('a log opens two connections to Redis, and closes them', async () => {
  const before = await countConnections();
  await expectOneConnectionOfTheTail(async () => {
    const log = await redisLog({ client, key: 'two' });
    expect(await countConnections()).toBeLessThanOrEqual(before + 2);
    return log;
  }, countConnections);
  await expect.poll(countConnections).toBe(before);
});
