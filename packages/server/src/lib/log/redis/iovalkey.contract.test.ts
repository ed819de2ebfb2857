import { Redis as IoValkey } from 'iovalkey';
import { describe } from 'vitest';
import { testRedisContract } from '../../../../test-kit/redis-contract.ts';

describe('redisLog with iovalkey', () => {
  testRedisContract(
    async (port) => {
      const client = new IoValkey({ port });
      client.on('error', () => undefined);
      return { client, close: () => client.disconnect() };
    },
    { isFirst: false },
  );
});
