/** A store of runs on a Redis or Valkey server, which the processes of many machines can share. */
import { checkOptions } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { randomId } from '../../base/random-id.ts';
import { warn } from '../../base/report.ts';
import { checkName, checkPositive } from '../../database/options.ts';
import { toConnectionSource, type RedisClient } from '../../database/redis/client.ts';
import { Scripts } from '../../database/redis/scripts.ts';
import { runsUse } from '../../database/use.ts';
import type { RunStore } from '../run-store.ts';
import { DEFAULT_CALL_MS } from '../store-calls.ts';
import { RedisRunStore } from './redis-run-store.ts';
import { RUN_SCRIPTS, runKeysOf } from './run-scripts.ts';

/** The options of `redisRuns`. */
export interface RedisRunsOptions {
  /**
   * An open client of node-redis 6, ioredis 6 or iovalkey; Sentinel and Cluster clients too. The store opens two
   * connections of its own with the options of this client: one for commands, and one that waits for changes.
   */
  readonly client: RedisClient;
  /**
   * Name of the store. Its keys begin with this name as their hash tag: `{board}:linefeed:runs…` for `board`. A name
   * that has a hash tag keeps it. It may be the name of a log.
   */
  readonly key: string;
  /**
   * Longest time of one call. Milliseconds. Less than half of the lease of a run, so that a producer can renew its lease
   * after a call that got no answer.
   *
   * @default 3,000
   */
  readonly timeoutMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** Client, key and timeoutMs are checked by value. */
const REDIS_RUNS_OPTIONS = {
  client: 'any',
  key: 'any',
  timeoutMs: 'any',
  clock: 'hidden',
} satisfies Record<keyof RedisRunsOptions, string>;

/**
 * Opens a store of runs on a Redis server (7 or later) or Valkey. Processes that give the same `key` share the runs.
 *
 * Settings of the server that lose runs are written to the console, each with its remedy.
 *
 * @example
 *   import { redisRuns } from '@linefeed/server/redis';
 *   import { createClient } from 'redis';
 *
 *   const client = createClient({ url: 'redis://localhost:6379' });
 *   client.on('error', (error) => console.error(error));
 *   await client.connect();
 *   const runs = await redisRuns({ client, key: 'board' });
 *   await runs.close();
 *   await client.close();
 *
 * @param options `client` and `key` are required
 * @throws LinefeedError `invalid_option`; `runs_failed` if the server does not answer within `timeoutMs`, is older than
 * Redis 7, or holds something else at a key of the store.
 */
export async function redisRuns(options: RedisRunsOptions): Promise<RunStore> {
  checkOptions('redisRuns', options, REDIS_RUNS_OPTIONS);
  const { clock = systemClock } = options;
  const use = runsUse('redisRuns');
  const key = checkName('key', options.key, use);
  const timeoutMs = checkPositive('timeoutMs', options.timeoutMs ?? DEFAULT_CALL_MS, use);
  const store = new RedisRunStore({
    name: `The store of runs at the Redis key ${JSON.stringify(key)}`,
    use,
    keys: runKeysOf(key),
    source: toConnectionSource(options.client, use),
    scripts: await Scripts.create(RUN_SCRIPTS),
    clock,
    timeoutMs,
    handle: randomId(),
  });
  try {
    for (const danger of await store.open())
      warn(`The store of runs ${JSON.stringify(key)} is in danger: ${danger}.`);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
