/** Linefeed's streams: a source that runs for each client. */
import { EventEmitter, on } from 'node:events';
import { createFeed, message } from '@linefeed/server';
import { defineChannel, stream } from '@linefeed/shared';
import * as z from 'zod';
import { makePayload, type Contender, type ContenderOptions, type Payload } from '../lib/contender.ts';
import { serveFeed } from '../lib/feed-contender.ts';

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const events = Number(options['streamEvents']);
  const emitter = new EventEmitter().setMaxListeners(0);
  const channel = defineChannel({ steps: stream({ data: z.object({ n: z.number(), text: z.string() }) }) });
  const feed = createFeed(channel, {
    path: '/events',
    maxConnections: 100_000,
    streams: {
      async *steps({ signal }) {
        if (options['streamEvents'] === undefined) {
          for await (const [payload] of on(emitter, 'step', { signal }) as AsyncIterable<[Payload]>) {
            yield message(payload, { id: String(payload.n) });
          }
        }
        for (let n = 0; n < events; n += 1) yield message(makePayload(n, bytes), { id: String(n) });
      },
    },
  });
  return await serveFeed(feed, '/events/steps', (payloads) => {
    for (const payload of payloads) emitter.emit('step', payload);
  });
}
