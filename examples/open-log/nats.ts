/** Opens a log on NATS JetStream. */
import { natsLog } from '@linefeed/server/nats';
import { connect } from '@nats-io/transport-node';
import { toBounds, type Open } from './open-log.ts';

export const openNats: Open = async (url, options) => {
  // By default the client gives up after 10 tries, and the program would never reach the server again.
  const connection = await connect({ servers: url, timeout: 5_000, maxReconnectAttempts: -1 });
  try {
    const log = await natsLog({ connection, stream: options.name, ...toBounds(options) });
    return {
      log,
      async close() {
        await log.close?.();
        await connection.close();
      },
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
};
