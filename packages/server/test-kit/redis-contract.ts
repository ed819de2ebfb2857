/** The log contract over `redisLog` on a real server, for one client library. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RedisClient } from '../src/lib/database/redis/client.ts';
import { redisLog } from '../src/lib/log/redis/redis-log.ts';
import { logContract } from '../src/lib/testing/log-suite.ts';
import { REAL_FAULTS, realFaults } from './brokers/contract-faults.ts';
import { casesOf, LOG_PART } from './brokers/contract-part.ts';
import { startRelay, type Relay } from './brokers/relay.ts';
import { startRedis, type RedisServer } from './brokers/redis.ts';
import { trackStates } from './redis-states.ts';

export interface OpenedClient {
  readonly client: RedisClient;
  close(): void;
}

/** Deadlines that are short enough for a test, and long enough for a busy machine. */
const TIMING = { timeoutMs: 3_000, waitMs: 500 };

/** Defines a test for each case. All cases share one server; each has a key of its own. */
export function testRedisContract(
  connect: (port: number) => Promise<OpenedClient>,
  which: { readonly isFirst: boolean },
): void {
  let server: RedisServer;
  let relay: Relay;
  let opened: OpenedClient;
  let cases = 0;
  beforeAll(async () => {
    server = await startRedis();
    relay = await startRelay(server);
    opened = await connect(relay.port);
  });
  afterAll(async () => {
    opened?.close();
    await relay?.close();
    await server?.close();
  });

  const faults = [...REAL_FAULTS, 'rollBack', 'recreate', 'evictKey', 'openWithClock'] as const;
  const contract = logContract(
    async ({ clock, ...bounds }) => {
      const key = `case${++cases}`;
      const states = await trackStates(server, key);
      const options = { client: opened.client, key, ...bounds, ...TIMING };
      return {
        open: async () => states.watch(await redisLog({ ...options, clock })),
        rollBack: states.rollBack,
        recreate: states.delete,
        evictKey: states.evict,
        openWithClock: (other: typeof clock) => redisLog({ ...options, clock: other }),
        ...realFaults(server, relay),
        dispose: states.close,
      };
    },
    {
      persistent: true,
      ages: true,
      contains: true,
      realTime: true,
      pauseMs: 5_000,
      patienceMs: 60_000,
      faults,
    },
  );
  for (const { name, run } of casesOf(contract, { ...which, part: LOG_PART })) {
    test(name, async () => expect(await run()).toBeUndefined());
  }
}
