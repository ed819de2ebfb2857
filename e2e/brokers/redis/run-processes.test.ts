/** Processes that share runs on Redis. */
import { startRedis } from '../../../packages/server/test-kit/brokers/redis.ts';
import { testRunProcesses } from '../kit/run-processes.ts';

testRunProcesses(async () => {
  const server = await startRedis();
  return {
    spec: { kind: 'redis', library: 'node-redis', mode: 'single', ports: [server.port] },
    close: () => server.close(),
  };
});
