/** Hono's streamSSE on its Node server: each stream is stored, and written to. */
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import type { Server } from 'node:http';
import type { Contender } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const streams = new Set<SSEStreamingApi>();
  const app = new Hono();
  app.get('/', (c) =>
    streamSSE(c, async (stream) => {
      streams.add(stream);
      await new Promise<void>((resolve) => stream.onAbort(resolve));
      streams.delete(stream);
    }),
  );
  return {
    port: await listen(createAdaptorServer({ fetch: app.fetch }) as Server),
    request: { method: 'GET', path: '/' },
    subscribers: () => streams.size,
    publish: (payloads) => {
      for (const payload of payloads) {
        const event = { event: 'news', id: String(payload.n), data: JSON.stringify(payload) };
        for (const stream of streams) void stream.writeSSE(event);
      }
    },
  };
}
