/** Linefeed's runs: each source runs once, for several readers. With `store: 'none'`, streams with the same sources. */
import { EventEmitter, on } from 'node:events';
import { join } from 'node:path';
import { createFeed, memoryRuns } from '@linefeed/server';
import { sqliteRuns } from '@linefeed/server/sqlite';
import { defineChannel, run, stream } from '@linefeed/shared';
import * as z from 'zod';
import { makePayload, type Contender, type ContenderOptions, type Payload } from '../lib/contender.ts';
import { serveFeed } from '../lib/feed-contender.ts';
import { makeFolder } from '../lib/folder.ts';

const params = z.object({ n: z.number() });
const data = z.object({ n: z.number(), text: z.string() });
const channel = defineChannel({ answer: run({ params, data }), alone: stream({ params, data }) });

const LONG = { leaseMs: 60_000, maxDurationMs: false } as const;

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const store = options['store'] as 'none' | 'memory' | 'sqlite';
  /** Runs, each with the same number of readers. */
  const count = Number(options['runs']);
  /** The sources yield in turns: one group in each turn of the event loop. */
  const groups = Number(options['groups']);
  /** Events that one run has before its readers join. */
  const recorded = Number(options['recorded'] ?? 0);
  const emitter = new EventEmitter().setMaxListeners(0);
  const steps = async function* (n: number, signal: AbortSignal): AsyncGenerator<Payload> {
    for (let step = 0; step < recorded; step += 1) yield makePayload(step, bytes);
    const name = `group ${n % groups}`;
    for await (const [payload] of on(emitter, name, { signal }) as AsyncIterable<[Payload]>) yield payload;
  };
  const feed = createFeed(channel, {
    path: '/events',
    maxConnections: 100_000,
    runs:
      store === 'sqlite' ? sqliteRuns({ path: join(makeFolder('linefeed-runs-'), 'runs.db') }) : memoryRuns(),
    streams: { alone: ({ params, signal }) => steps(params.n, signal) },
  });
  if (store !== 'none') {
    for (let n = 0; n < count; n += 1)
      await feed.start('answer', { n }, ({ signal }) => steps(n, signal), LONG);
  }
  return await serveFeed(feed, `/events/${store === 'none' ? 'alone' : 'answer'}?n=0`, async (payloads) => {
    for (const payload of payloads) {
      emitter.emit(`group ${payload.n % groups}`, payload);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
}
