import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { logWith } from '../../../test-kit/scripted-log.ts';
import { memoryLog } from '../log/memory-log.ts';

describe('closing and disconnecting', () => {
  it('close() ends connections spread over graceMs, refuses new ones, and then rejects publishes', async () => {
    const { feed, open, clock } = createBench();
    const taps = [await open('/events/notice'), await open('/events/notice'), await open('/events/notice')];
    const closed = feed.close({ graceMs: 3_000 });
    await clock.settle();
    expect(taps.map(({ ended }) => ended)).toEqual([true, false, false]);
    expect((await open('/events/notice')).dataOf('linefeed.reconnect')[0]).toMatchObject({
      reason: 'drain',
    });
    await clock.advance(1_500);
    expect(taps.map(({ ended }) => ended)).toEqual([true, true, false]);
    await clock.advance(1_500);
    await closed;
    expect(taps.map(({ ended }) => ended)).toEqual([true, true, true]);
    await expect(feed.publish('notice', { text: 'late' })).rejects.toMatchObject({ code: 'closed' });
  });

  it('close() ends sources and waits for pending publishes', async () => {
    const seen: string[] = [];
    const held = memoryLog();
    let letGo: () => void = () => undefined;
    const { feed, open, clock } = createBench({
      log: logWith(held, {
        append: async (entries) => {
          await new Promise<void>((resolve) => (letGo = resolve));
          return await held.append(entries);
        },
      }),
      streams: {
        async *report({ signal }) {
          try {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            yield { step: 1 };
          } finally {
            seen.push('source ended');
          }
        },
      },
    });
    await open('/events/report?year=1');
    const publishing = feed.publish('notice', { text: 'in flight' }).then(() => seen.push('published'));
    const closing = feed.close().then(() => seen.push('closed'));
    await clock.settle();
    expect(seen).toEqual(['source ended']);
    letGo();
    await Promise.all([publishing, closing]);
    expect(seen).toEqual(['source ended', 'published', 'closed']);
  });

  it('disconnect() closes the connections that match its predicate', async () => {
    const context = (request: Request) => ({ user: request.headers.get('user') });
    const { feed, open } = createBench({ context });
    const ann = await open('/events/notice', { headers: { user: 'ann' } });
    const bob = await open('/events/notice', { headers: { user: 'bob' } });
    expect(feed.disconnect(({ context }) => context.user === 'ann')).toBe(1);
    expect([ann.ended, bob.ended]).toEqual([true, false]);
  });
});
