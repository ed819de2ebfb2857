import { once } from 'node:events';
import express from 'express';
import { describeServer, originOf } from './suite.ts';

describeServer('Express 5', async (app) => {
  const server = express()
    .use((req, res) => app.node(req, res))
    .listen(0);
  await once(server, 'listening');
  return { origin: originOf(server), close: () => server.close() };
});
