/** Opens a log and a store of runs on Redis or Valkey. */
import { redisLog, redisRuns } from '@linefeed/server/redis';
import { createClient } from 'redis';
import { toBounds, type Open } from './open-log.ts';

export const openRedis: Open = async (url, options) => {
  let isOpen = false;
  const client = createClient({
    url,
    socket: {
      connectTimeout: 5_000,
      // By default the client tries forever, also where nothing listens: the program would never start.
      reconnectStrategy: (tries, cause) => (isOpen ? Math.min(50 * 2 ** tries, 2_000) : cause),
    },
  });
  // Without a listener an outage ends the process. The feed's `onError` reports it.
  client.on('error', () => undefined);
  await client.connect();
  isOpen = true;
  const log = await redisLog({ client, key: options.name, ...toBounds(options) });
  return {
    log,
    openRuns: () => redisRuns({ client, key: options.name }),
    async close() {
      await log.close?.();
      client.destroy();
    },
  };
};
