/** Linefeed on Koa 3. */
import type { AddressInfo } from 'node:net';
import { closeOnSignal, sendEventStream, toNodeHandler } from '@linefeed/server/node';
import Koa from 'koa';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port, stop } from './life.ts';

const events = toNodeHandler(feed);

const app = new Koa().use((ctx) => {
  // Koa must not answer as well.
  ctx.respond = false;
  if (ctx.path === '/countdown') sendEventStream(ctx.req, ctx.res, countdown, { retryMs: 2_000 });
  else events(ctx.req, ctx.res);
});

const server = app.listen(port, () => announce((server.address() as AddressInfo).port));
closeOnSignal(server, feed, { onSignal: stop });
