import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { describeServer, originOf } from './suite.ts';

describeServer('Hono on Node', async (app) => {
  const server = serve({ fetch: new Hono().all('/*', (c) => app.fetch(c.req.raw)).fetch, port: 0 });
  await once(server, 'listening');
  return { origin: originOf(server), close: () => server.close() };
});
