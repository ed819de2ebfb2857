/** Linefeed with many addresses: a topic with params; each connection subscribes to some of them. */
import { createServer } from 'node:http';
import { createFeed } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { defineChannel, topic } from '@linefeed/shared';
import * as z from 'zod';
import { addressAt, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(options: ContenderOptions): Promise<Contender> {
  const addresses = Number(options['addresses']);
  const channel = defineChannel({
    room: topic({
      params: z.object({ id: z.string() }),
      data: z.object({ n: z.number(), text: z.string() }),
    }),
  });
  const feed = createFeed(channel, { path: '/events', maxConnections: 100_000 });
  const server = createServer(toNodeHandler(feed));
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/events' },
    subscribers: () => feed.stats().connections,
    publish: (payloads) => {
      for (const payload of payloads) {
        void feed.publish('room', { id: String(addressAt(payload.n, addresses)) }, payload);
      }
    },
  };
}
