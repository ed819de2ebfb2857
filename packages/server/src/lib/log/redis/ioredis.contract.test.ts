import { Redis as IoRedis } from 'ioredis';
import { describe } from 'vitest';
import { testRedisContract } from '../../../../test-kit/redis-contract.ts';

describe('redisLog with ioredis', () => {
  testRedisContract(
    async (port) => {
      const client = new IoRedis({ port });
      client.on('error', () => undefined);
      return { client, close: () => client.disconnect() };
    },
    { isFirst: false },
  );
});
