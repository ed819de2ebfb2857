/** Linefeed on Fastify 5. */
import type { AddressInfo } from 'node:net';
import { sendEventStream, toNodeHandler } from '@linefeed/server/node';
import { fastify } from 'fastify';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port } from './life.ts';

const app = fastify();
const events = toNodeHandler(feed);

app.get('/countdown', (request, reply) => {
  // The response is ours from here on; what hooks set on the reply is handed over.
  reply.hijack();
  sendEventStream(request.raw, reply.raw, countdown, { retryMs: 2_000, headers: reply.getHeaders() });
});

app.all('/events/*', (request, reply) => {
  reply.hijack();
  events(request.raw, reply.raw);
});

await app.listen({ port });
announce((app.server.address() as AddressInfo).port, () => void app.close());
