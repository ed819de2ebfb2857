/** Linefeed with a history that reconnecting clients read. */
import { createServer } from 'node:http';
import { createFeed, memoryLog } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const events = Number(options['events']);
  const log = memoryLog({ maxEvents: events + 100, maxBytes: 2 ** 30 });
  const feed = createFeed(defineChannel({ news: z.object({ n: z.number(), text: z.string() }) }), {
    path: '/events',
    log,
    maxConnections: 100_000,
  });
  const server = createServer(toNodeHandler(feed));
  const cursor = feed.cursor();
  for (let n = 0; n < events; n += 1) void feed.publish('news', makePayload(n, bytes));
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/events/news', lastEventId: cursor },
    subscribers: () => feed.stats().connections,
    publish: (payloads) => {
      for (const payload of payloads) void feed.publish('news', payload);
    },
  };
}
