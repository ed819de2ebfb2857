import { createClient } from 'redis';
import { describe } from 'vitest';
import { testRedisContract } from '../../../../test-kit/redis-contract.ts';

describe('redisLog with node-redis', () => {
  testRedisContract(
    async (port) => {
      const client = createClient({ socket: { host: '127.0.0.1', port } });
      client.on('error', () => undefined);
      await client.connect();
      return { client, close: () => client.destroy() };
    },
    { isFirst: true },
  );
});
