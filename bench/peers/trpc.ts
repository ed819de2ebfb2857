/** tRPC: a subscription over an event emitter, with the standalone server. */
import { EventEmitter, on } from 'node:events';
import { initTRPC, tracked } from '@trpc/server';
import { createHTTPServer } from '@trpc/server/adapters/standalone';
import type { Contender, ContenderOptions, Payload } from '../lib/contender.ts';
import { makePayload } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start({ bytes, streamEvents }: ContenderOptions): Promise<Contender> {
  const emitter = new EventEmitter().setMaxListeners(0);
  const t = initTRPC.create();
  let open = 0;
  const router = t.router({
    news: t.procedure.subscription(async function* ({ signal }) {
      open += 1;
      try {
        for await (const [payload] of on(emitter, 'news', { signal: signal! }) as AsyncIterable<[Payload]>) {
          yield tracked(String(payload.n), payload);
        }
      } finally {
        open -= 1;
      }
    }),
    /** For the case of streams: a separate run for each client. */
    steps: t.procedure.subscription(async function* () {
      for (let n = 0; n < Number(streamEvents); n += 1) yield tracked(String(n), makePayload(n, bytes));
    }),
  });
  const server = createHTTPServer({ router });
  return {
    port: await listen(server as never),
    request: { method: 'GET', path: streamEvents === undefined ? '/news' : '/steps' },
    subscribers: () => open,
    publish: (payloads) => {
      for (const payload of payloads) emitter.emit('news', payload);
    },
  };
}
