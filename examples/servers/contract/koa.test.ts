import { once } from 'node:events';
import Koa from 'koa';
import { describeServer, originOf } from './suite.ts';

describeServer('Koa 3', async (app) => {
  const koa = new Koa();
  // Koa logs every client that leaves.
  koa.silent = true;
  const server = koa
    .use((ctx) => {
      ctx.respond = false;
      app.node(ctx.req, ctx.res);
    })
    .listen(0);
  await once(server, 'listening');
  return { origin: originOf(server), close: () => server.close() };
});
