/** Linefeed: a feed on Node's http server. */
import { createFeed, memoryLog } from '@linefeed/server';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import type { Contender, ContenderOptions } from '../lib/contender.ts';
import { serveFeed } from '../lib/feed-contender.ts';

const Payload = z.object({ n: z.number(), text: z.string() });

export async function start(options: ContenderOptions): Promise<Contender> {
  const feed = createFeed(defineChannel({ news: Payload }), {
    path: '/events',
    log: memoryLog({ maxEvents: 10_000 }),
    maxConnections: 100_000,
    pingMs: options['pingMs'] as number | undefined,
    stallTimeoutMs: options['stallTimeoutMs'] as number | undefined,
  });
  return await serveFeed(feed, '/events/news', (payloads) => {
    for (const payload of payloads) void feed.publish('news', payload);
  });
}
