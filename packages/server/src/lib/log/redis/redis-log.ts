/** A log on a Redis or Valkey server, which the processes of many machines can share. */
import { systemClock, type Clock } from '../../base/clock.ts';
import { warn } from '../../base/report.ts';
import { checkName, checkPositive, DEFAULT_TIMEOUT_MS } from '../../database/options.ts';
import { toConnectionSource, type RedisClient } from '../../database/redis/client.ts';
import { Scripts } from '../../database/redis/scripts.ts';
import { logUse } from '../../database/use.ts';
import { checkLogOptions, resolveBounds, type LogBounds } from '../bounds.ts';
import type { Log } from '../log.ts';
import { openRemoteLog } from '../remote/remote-log.ts';
import { RedisStore } from './redis-store.ts';
import { keysOf, SCRIPTS } from './scripts.ts';

/** The options of `redisLog`. */
export interface RedisLogOptions extends LogBounds {
  /**
   * An open client of node-redis 6, ioredis 6 or iovalkey; Sentinel and Cluster clients too. The log opens two
   * connections of its own with the options of this client: one for commands, and one that waits for events.
   */
  readonly client: RedisClient;
  /**
   * Name of the log. Its keys begin with this name as their hash tag: `{board}:linefeed…` for `board`. A name that has
   * a hash tag keeps it.
   */
  readonly key: string;
  /**
   * Longest time from an append to its outcome. Milliseconds.
   *
   * @default 5,000
   */
  readonly timeoutMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
  /** @internal */
  readonly waitMs?: number | undefined;
}

/** `redisLog` checks client, key and timeoutMs by value. */
const REDIS_OPTIONS = {
  client: 'any',
  key: 'any',
  timeoutMs: 'any',
  waitMs: 'hidden',
} satisfies Partial<Record<keyof RedisLogOptions, string>>;

/**
 * Opens a bounded log on a Redis server (7 or later) or Valkey. Processes that give the same `key` share the log.
 *
 * Events that a failover, a restart or an eviction of the server has lost are announced to clients as a gap.
 * Settings of the server that endanger the log are written to the console, each with its remedy.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { redisLog } from '@linefeed/server/redis';
 *   import { createClient } from 'redis';
 *   import { board } from './channel.ts';
 *
 *   const client = createClient({ url: 'redis://localhost:6379' });
 *   client.on('error', (error) => console.error(error));
 *   await client.connect();
 *   const log = await redisLog({ client, key: 'board', maxEvents: 100_000 });
 *   const feed = createFeed(board, { log, streams: { *report() {} } });
 *   await feed.close();
 *   await log.close?.();
 *   await client.close();
 *
 * @param options `client` and `key` are required
 * @throws LinefeedError `invalid_option`; `log_failed` if the server does not answer within `timeoutMs`, is older than
 * Redis 7, or holds something else at a key of the log.
 */
export async function redisLog(options: RedisLogOptions): Promise<Log> {
  checkLogOptions('redisLog', options, REDIS_OPTIONS);
  const { clock = systemClock, waitMs } = options;
  const use = logUse('redisLog');
  const bounds = resolveBounds(options);
  const key = checkName('key', options.key, use);
  const timeoutMs = checkPositive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, use);
  const source = toConnectionSource(options.client, use);
  const keys = keysOf(key);
  const store = new RedisStore({
    name: `The log at the Redis key ${JSON.stringify(key)}`,
    use,
    keys,
    source,
    scripts: await Scripts.create(SCRIPTS),
    bounds,
    serverTime: options.clock === undefined,
    clock,
    connectMs: timeoutMs,
  });
  const log = await openRemoteLog(store, { clock, timeoutMs, waitMs });
  for (const danger of store.dangers) warn(`${store.name} is in danger: ${danger}.`);
  return log;
}
