/** oRPC: an event iterator over its publisher, on Node's http server. */
import { createServer } from 'node:http';
import { EventPublisher, eventIterator, os, withEventMeta } from '@orpc/server';
import { RPCHandler } from '@orpc/server/node';
import * as z from 'zod';
import type { Contender, Payload } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const publisher = new EventPublisher<{ news: Payload }>();
  let open = 0;
  const news = os
    .output(eventIterator(z.object({ n: z.number(), text: z.string() })))
    .handler(async function* ({ signal }) {
      open += 1;
      try {
        for await (const payload of publisher.subscribe('news', { signal })) {
          yield withEventMeta({ ...payload }, { id: String(payload.n) });
        }
      } finally {
        open -= 1;
      }
    });
  const handler = new RPCHandler({ news });
  const server = createServer((req, res) => {
    void handler.handle(req, res);
  });
  return {
    port: await listen(server),
    request: { method: 'POST', path: '/news', body: '{}' },
    subscribers: () => open,
    publish: (payloads) => {
      for (const payload of payloads) publisher.publish('news', payload);
    },
  };
}
