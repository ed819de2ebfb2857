/** Linefeed with many addresses: a topic with params; each connection subscribes to some of them. */
import { createFeed } from '@linefeed/server';
import { defineChannel, topic } from '@linefeed/shared';
import * as z from 'zod';
import { addressAt, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { serveFeed } from '../lib/feed-contender.ts';

export async function start(options: ContenderOptions): Promise<Contender> {
  const addresses = Number(options['addresses']);
  const channel = defineChannel({
    room: topic({
      params: z.object({ id: z.string() }),
      data: z.object({ n: z.number(), text: z.string() }),
    }),
  });
  const feed = createFeed(channel, { path: '/events', maxConnections: 100_000 });
  return await serveFeed(feed, '/events', (payloads) => {
    for (const payload of payloads) {
      void feed.publish('room', { id: String(addressAt(payload.n, addresses)) }, payload);
    }
  });
}
