/** Linefeed on Hono, here with its adapter for Node. */
import { serve } from '@hono/node-server';
import { eventStream } from '@linefeed/server';
import { closeOnSignal } from '@linefeed/server/node';
import { Hono } from 'hono';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port, stop } from './life.ts';

const app = new Hono()
  .get('/countdown', (c) => eventStream(countdown, { request: c.req.raw, retryMs: 2_000 }))
  .all('/events/*', (c) => feed.handle(c.req.raw));

const server = serve({ fetch: app.fetch, port }, (info) => announce(info.port));
closeOnSignal(server, feed, { onSignal: stop });
