/** A feed process on a NATS log dies. */
import { test } from 'vitest';
import { startNats } from '../../../packages/server/test-kit/brokers/nats.ts';
import { expectNothingLostByKills } from '../kit/killed-process.ts';

test('kill -9 of either of two feed processes on a NATS log loses and doubles no event', async () => {
  const server = await startNats();
  try {
    await expectNothingLostByKills({ kind: 'nats', servers: [server.url], replicas: 1 });
  } finally {
    await server.close();
  }
});
