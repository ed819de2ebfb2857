import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REAL_FAULTS, realFaults } from '../../../../test-kit/brokers/contract-faults.ts';
import { casesOf, RUNS_PART } from '../../../../test-kit/brokers/contract-part.ts';
import { startRedis, type RedisServer } from '../../../../test-kit/brokers/redis.ts';
import { startRelay, type Relay } from '../../../../test-kit/brokers/relay.ts';
import { connectRedis, REDIS_LIBRARIES, type OpenedClient } from '../../../../test-kit/redis-clients.ts';
import { runStoreContract } from '../../testing/run-store-suite.ts';
import { redisRuns } from './redis-runs.ts';

let server: RedisServer;
let relay: Relay;

beforeAll(async () => {
  server = await startRedis();
  relay = await startRelay(server);
});

afterAll(async () => {
  await relay?.close();
  await server?.close();
});

describe.each(REDIS_LIBRARIES)('redisRuns with %s', (library) => {
  let opened: OpenedClient;
  let cases = 0;
  beforeAll(async () => {
    opened = await connectRedis(library, relay.port);
  });
  afterAll(() => opened?.close());

  const contract = runStoreContract(
    ({ clock }) => {
      const options = { client: opened.client, key: `${library}${++cases}`, timeoutMs: 4_000 };
      return {
        open: () => redisRuns({ ...options, clock }),
        openWithClock: (other) => redisRuns({ ...options, clock: other }),
        async recreate() {
          await server.command('FLUSHALL');
        },
        ...realFaults(server, relay),
      };
    },
    {
      persistent: true,
      watches: true,
      realTime: true,
      pauseMs: 5_500,
      patienceMs: 60_000,
      faults: ['openWithClock', 'recreate', ...REAL_FAULTS],
    },
  );
  for (const { name, run } of casesOf(contract, {
    isFirst: library === REDIS_LIBRARIES[0],
    part: RUNS_PART,
  })) {
    test(name, async () => expect(await run()).toBeUndefined());
  }

  test('no case of the contract is left out', () => {
    expect(contract.skipped).toEqual([]);
  });
});
