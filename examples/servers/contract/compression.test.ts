import { once } from 'node:events';
import compression from 'compression';
import express from 'express';
import type { App } from './app.ts';
import { askForGzip } from './client.ts';
import { describeServer, originOf, type Served } from './suite.ts';

async function serve(app: App): Promise<Served> {
  const server = express()
    .use(compression({ threshold: 0 }))
    .use((req, res) => app.node(req, res))
    .listen(0);
  await once(server, 'listening');
  const origin = originOf(server);
  return { origin, ask: askForGzip(origin), close: () => server.close() };
}

describeServer('Express with compression that skips event streams', serve);

describeServer('Express with compression that compresses event streams', (app) => {
  // Without no-transform the middleware compresses event streams like everything else.
  app.cacheControl = 'no-cache';
  return serve(app);
});
