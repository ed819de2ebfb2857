import { once } from 'node:events';
import { createServer } from 'node:http';
import { describeServer, originOf } from './suite.ts';

describeServer('node:http', async (app) => {
  const server = createServer((req, res) => app.node(req, res)).listen(0);
  await once(server, 'listening');
  return { origin: originOf(server), close: () => server.close() };
});
