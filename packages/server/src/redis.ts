/** The log on Redis and Valkey. A separate entry; the client library is the user's. */
export { redisLog } from './lib/log/redis/redis-log.ts';
export type { RedisLogOptions } from './lib/log/redis/redis-log.ts';
export type { IoRedisClient, NodeRedisClient, RedisClient } from './lib/database/redis/client.ts';
export type { LogBounds } from './lib/log/bounds.ts';
