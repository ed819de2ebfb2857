/** Clients of Redis for tests, one for each library. */
import { Redis as IoRedis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';
import type { RedisClient } from '../src/lib/database/redis/client.ts';

export const REDIS_LIBRARIES = ['node-redis', 'ioredis', 'iovalkey'] as const;
export type RedisLibrary = (typeof REDIS_LIBRARIES)[number];

export interface OpenedClient {
  readonly client: RedisClient;
  close(): void;
}

export async function connectRedis(library: RedisLibrary, port: number): Promise<OpenedClient> {
  if (library === 'node-redis') {
    const client = createClient({ socket: { host: '127.0.0.1', port } });
    client.on('error', () => undefined);
    await client.connect();
    return { client, close: () => client.destroy() };
  }
  const client =
    library === 'ioredis'
      ? new IoRedis({ host: '127.0.0.1', port })
      : new Valkey({ host: '127.0.0.1', port });
  client.on('error', () => undefined);
  return { client, close: () => client.disconnect() };
}
