/** A feed process on a Redis log dies. */
import { test } from 'vitest';
import { startRedis } from '../../../packages/server/test-kit/brokers/redis.ts';
import { expectNothingLostByKills } from '../kit/killed-process.ts';

test('kill -9 of either of two feed processes on a Redis log loses and doubles no event', async () => {
  const server = await startRedis();
  try {
    await expectNothingLostByKills({
      kind: 'redis',
      library: 'node-redis',
      mode: 'single',
      ports: [server.port],
    });
  } finally {
    await server.close();
  }
});
