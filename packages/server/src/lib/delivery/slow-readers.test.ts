import { describe, expect, it } from 'vitest';
import { createBench, range } from '../../../test-kit/feed-bench.ts';

describe('slow readers', () => {
  it('a slow reader over maxBufferedBytes falls back to a replay and gets every event in order', async () => {
    const { feed, open, clock, take } = createBench({ maxBufferedBytes: 2_000 });
    const slow = await open('/events/other', {}, { roomBytes: 500 });
    const quick = await open('/events/other');
    for (let n = 1; n <= 300; n += 1) {
      await feed.publish('other', { n });
      await clock.settle();
    }
    expect(quick.payloads).toHaveLength(300);
    expect(slow.payloads.length).toBeLessThan(60);
    expect(feed.stats().fallbacks).toBe(1);
    for (let round = 0; round < 50; round += 1) {
      await take(slow);
    }
    expect(slow.payloads).toEqual(range(1, 300).map((n) => ({ n })));
  });

  it('a slow reader of keep: latest skips superseded values without a gap and gets the newest', async () => {
    const { feed, open, clock, take } = createBench({ maxBufferedBytes: 1_000 });
    const slow = await open('/events/price?symbol=A', {}, { roomBytes: 200 });
    for (let bid = 1; bid <= 100; bid += 1) {
      await feed.publish('price', { symbol: 'A' }, { bid });
      await clock.settle();
    }
    await take(slow);
    const bids = slow.payloads.map((payload) => (payload as { bid: number }).bid);
    expect(bids.at(-1)).toBe(100);
    expect(bids.length).toBeLessThan(30);
    expect(bids).toEqual(bids.toSorted((a, b) => a - b));
    expect(slow.of('linefeed.gap')).toEqual([]);
  });

  it('a reader without progress for stallTimeoutMs is cut off, and gets no pings before that', async () => {
    const { feed, open, clock } = createBench({ stallTimeoutMs: 5_000, pingMs: 1_000 });
    const slow = await open('/events/notice', {}, { roomBytes: 10 });
    await feed.publish('notice', { text: 'a' });
    await clock.advance(4_000);
    expect(slow.closed).toBe(false);
    expect(slow.of('linefeed.ping')).toEqual([]);
    await clock.advance(3_000);
    expect(slow.destroyed).toBe(true);
    expect(feed.stats()).toMatchObject({ stalled: 1, connections: 0 });
  });

  it('a slow reader gets one event that is larger than maxBufferedBytes', async () => {
    const { feed, open, clock, take } = createBench({ maxBufferedBytes: 1_000 });
    const tap = await open('/events/notice', {}, { roomBytes: 100 });
    tap.drain();
    await feed.publish('notice', { text: 'x'.repeat(5_000) });
    await clock.settle();
    await take(tap);
    expect(tap.payloads).toHaveLength(1);
  });
});
