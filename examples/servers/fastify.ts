/** Linefeed on Fastify 5. */
import type { AddressInfo } from 'node:net';
import { closeOnSignal, sendEventStream, toNodeHandler } from '@linefeed/server/node';
import { fastify } from 'fastify';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port, stop } from './life.ts';

const app = fastify();
const events = toNodeHandler(feed);

// Plugins set headers like this: CORS, security headers, rate limits.
app.addHook('onRequest', async (_request, reply) => {
  reply.header('x-content-type-options', 'nosniff');
});

app.get('/countdown', (request, reply) => {
  // The feed owns the response from here on; headers that hooks set on the reply are passed to it.
  reply.hijack();
  sendEventStream(request.raw, reply.raw, countdown, { retryMs: 2_000, headers: reply.getHeaders() });
});

await app.register(async (scope) => {
  // The feed reads bodies itself, of every type.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _body, done) => done(null));
  for (const path of ['/events', '/events/*']) {
    scope.all(path, (request, reply) => {
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value ?? []);
      events(request.raw, reply.raw);
    });
  }
});

await app.listen({ port });
announce((app.server.address() as AddressInfo).port);
// Fastify's own hooks run once the server is closed.
closeOnSignal(app.server, feed, { onSignal: stop, onClosed: () => void app.close() });
