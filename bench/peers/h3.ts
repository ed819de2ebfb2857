/** h3: event streams that are stored, and pushed to. */
import { createServer } from 'node:http';
import { createEventStream, H3, type EventStream } from 'h3';
import { toNodeHandler } from 'h3/node';
import type { Contender } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const streams = new Set<EventStream>();
  const app = new H3();
  app.get('/', (event) => {
    const stream = createEventStream(event);
    streams.add(stream);
    stream.onClosed(() => streams.delete(stream));
    return stream.send();
  });
  return {
    port: await listen(createServer(toNodeHandler(app))),
    request: { method: 'GET', path: '/' },
    subscribers: () => streams.size,
    publish: (payloads) => {
      for (const payload of payloads) {
        const event = { event: 'news', id: String(payload.n), data: JSON.stringify(payload) };
        for (const stream of streams) void stream.push(event);
      }
    },
  };
}
