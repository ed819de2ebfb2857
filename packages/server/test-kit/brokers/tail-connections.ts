/** Counts what the tails and readers of one process cost the server of a log. */
import { createFeed } from '../../src/index.ts';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { expect } from 'vitest';
import type { Log } from '../../src/lib/log/log.ts';

const FEEDS = 5;
const READERS = 40;

/**
 * Opens a log, follows it by several feeds with many readers, and publishes.
 *
 * @param open Opens the log; all connections that the application opens are open already.
 * @param count Number of connections at the server.
 */
export async function expectOneConnectionOfTheTail(
  open: () => Promise<Log>,
  count: () => Promise<number>,
): Promise<void> {
  const log = await open();
  await log.append([{ address: 'news', data: '{"n":0}', keep: 'all' }]);
  const withoutTail = await count();
  // A second feed of one channel object would be a warning.
  const feeds = Array.from({ length: FEEDS }, () =>
    createFeed(defineChannel({ news: z.object({ n: z.number() }) }), { path: '/events', log }),
  );
  const end = new AbortController();
  const received = Array.from({ length: READERS }, async (_, index) => {
    const events = feeds[index % FEEDS]!.subscribe('news', { signal: end.signal });
    for await (const { data } of events) if (data.n === 3) return;
  });
  try {
    for (const n of [1, 2, 3]) await feeds[0]!.publish('news', { n });
    await Promise.all(received);
    expect(await count()).toBeLessThanOrEqual(withoutTail + 1);
  } finally {
    end.abort();
    for (const feed of feeds) await feed.close();
    await log.close?.();
  }
}
