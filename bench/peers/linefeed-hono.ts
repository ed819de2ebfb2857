/** Linefeed's feed as a fetch handler in Hono, on its Node server. */
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Server } from 'node:http';
import { createFeed } from '@linefeed/server';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import type { Contender } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const feed = createFeed(defineChannel({ news: z.object({ n: z.number(), text: z.string() }) }), {
    path: '/events',
    maxConnections: 100_000,
  });
  const app = new Hono();
  app.all('/events/*', (c) => feed.handle(c.req.raw));
  return {
    port: await listen(createAdaptorServer({ fetch: app.fetch }) as Server),
    request: { method: 'GET', path: '/events/news' },
    subscribers: () => feed.stats().connections,
    publish: (payloads) => {
      for (const payload of payloads) void feed.publish('news', payload);
    },
  };
}
