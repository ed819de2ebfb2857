/** A feed over one of the logs, for the cases that compare logs. */
import { createFeed } from '@linefeed/server';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { serveFeed } from '../lib/feed-contender.ts';
import { sharedNow, type LogName, type Places } from '../lib/logs.ts';
import { openLog } from '../lib/open-log.ts';

const Payload = z.object({ n: z.number(), text: z.string(), at: z.number().optional() });

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const log = await openLog(
    options['log'] as LogName,
    options['places'] as Places,
    (options['key'] as string | undefined) ?? 'bench',
  );
  const feed = createFeed(defineChannel({ news: Payload }), {
    path: '/events',
    log,
    maxConnections: 100_000,
    authorize: () => true,
  });
  const contender = await serveFeed(feed, '/events/news', (payloads) => {
    for (const payload of payloads) void feed.publish('news', payload);
  });
  const publishBatch = async (count: number, from = 0): Promise<void> => {
    await Promise.all(
      Array.from({ length: count }, (_, k) => feed.publish('news', makePayload(from + k, bytes))),
    );
  };
  return {
    ...contender,
    actions: {
      /** Publishes batches, each when the one before has resolved. */
      async publishBatches({ batches, count }: { batches: number; count: number }) {
        const start = performance.now();
        for (let batch = 0; batch < batches; batch += 1) await publishBatch(count, batch * count);
        return { count: batches * count, ms: performance.now() - start };
      },
      /** Publishes batches at fixed times. */
      async publishAt({
        batches,
        count,
        intervalMs,
      }: {
        batches: number;
        count: number;
        intervalMs: number;
      }) {
        const start = performance.now();
        for (let batch = 0; batch < batches; batch += 1) {
          await waitUntil(start + batch * intervalMs);
          await publishBatch(count, batch * count);
        }
        await waitUntil(start + batches * intervalMs);
        return batches * count;
      },
      /** Publishes one event at each of these times, with its time. */
      async publishStamped({ count, intervalMs }: { count: number; intervalMs: number }) {
        const start = performance.now();
        for (let n = 0; n < count; n += 1) {
          await waitUntil(start + n * intervalMs);
          void feed.publish('news', { ...makePayload(n, bytes), at: sharedNow() });
        }
      },
      /** Events that the tail has brought. */
      async seen() {
        return await Promise.resolve(feed.stats().eventsIn);
      },
    },
  };
}

async function waitUntil(time: number): Promise<void> {
  const left = time - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
