import { once } from 'node:events';
import { createServer } from 'node:http2';
import { askOver2 } from './client.ts';
import { describeServer, originOf } from './suite.ts';

describeServer('node:http2', async (app) => {
  const server = createServer((req, res) => app.node(req, res)).listen(0);
  await once(server, 'listening');
  const origin = originOf(server);
  return { origin, ask: askOver2(origin), close: () => server.close() };
});
