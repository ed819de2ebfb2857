/** Linefeed's publishing alone: no connection, a log in memory or in a file that processes share. */
import { createServer } from 'node:http';
import { createFeed, memoryLog } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const file = options['file'] as string | undefined;
  const log = file === undefined ? memoryLog() : sqliteLog({ path: file });
  const feed = createFeed(defineChannel({ news: z.object({ n: z.number(), text: z.string() }) }), {
    path: '/events',
    log,
  });
  return {
    port: await listen(createServer()),
    request: { method: 'GET', path: '/' },
    subscribers: () => 0,
    publish: () => undefined,
    actions: {
      /** Publishes for this time, with `atOnce` concurrent publishes. */
      async publishFor({ ms, atOnce }: { ms: number; atOnce: number }) {
        const start = performance.now();
        let count = 0;
        while (performance.now() - start < ms) {
          await Promise.all(
            Array.from({ length: atOnce }, (_, k) => feed.publish('news', makePayload(count + k, bytes))),
          );
          count += atOnce;
        }
        return { count, ms: performance.now() - start };
      },
      async finish() {
        await feed.close();
        await log.close?.();
      },
    },
  };
}
