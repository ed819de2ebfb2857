/** The log and the runs on Redis and Valkey. A separate entry; the client library is the user's. */
export { redisLog } from './lib/log/redis/redis-log.ts';
export type { RedisLogOptions } from './lib/log/redis/redis-log.ts';
export { redisRuns } from './lib/runs/redis/redis-runs.ts';
export type { RedisRunsOptions } from './lib/runs/redis/redis-runs.ts';
export type { IoRedisClient, NodeRedisClient, RedisClient } from './lib/database/redis/client.ts';
export type { LogBounds } from './lib/log/bounds.ts';
