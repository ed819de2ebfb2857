/** Finds a port of this machine on which nothing listens. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Systems assign ports from 32,768 on to connections. A server that starts again on a lower port finds it free, even if
 * other processes connect in between.
 */
const [LOWEST, HIGHEST] = [20_000, 32_000];

export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (tries === 100) throw error;
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
