/** @fastify/sse: replies that are kept open, and written to. */
import fastifySse from '@fastify/sse';
import fastify, { type FastifyReply } from 'fastify';
import type { AddressInfo } from 'node:net';
import type { Contender } from '../lib/contender.ts';

export async function start(): Promise<Contender> {
  const replies = new Set<FastifyReply>();
  const app = fastify();
  await app.register(fastifySse);
  app.get('/', { sse: 'only' }, (_request, reply) => {
    reply.sse.keepAlive();
    reply.sse.sendHeaders();
    replies.add(reply);
    reply.sse.onClose(() => replies.delete(reply));
  });
  await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  return {
    port: (app.server.address() as AddressInfo).port,
    request: { method: 'GET', path: '/' },
    subscribers: () => replies.size,
    publish: (payloads) => {
      for (const payload of payloads) {
        const event = { event: 'news', id: String(payload.n), data: payload };
        for (const reply of replies) void reply.sse.send(event);
      }
    },
  };
}
