import { describe, expect, it } from 'vitest';
import { at, createBench, entries } from '../../../test-kit/feed-bench.ts';

describe('feed.stats()', () => {
  it('stats() counts replays and the high-water mark of buffered bytes', async () => {
    const { feed, open, publishNumbers } = createBench();
    await publishNumbers(1, 700);
    await open(`/events/other?from=earliest`, {}, { roomBytes: 100_000 });
    await open(`/events/other?from=${at(feed.cursor(), 690)}`);
    expect(feed.stats()).toMatchObject({ replayed: 710, replays: 2, largestReplay: 700 });
    expect(feed.stats().bufferedHighWaterBytes).toBeGreaterThan(20_000);
  });

  it('stats() counts connections, subscriptions and events', async () => {
    const { feed, open, clock } = createBench();
    await open(entries('notice', 'room?name=a'));
    await open('/events/notice');
    await feed.publish('notice', { text: 'a' });
    await clock.settle();
    expect(feed.stats()).toMatchObject({
      connections: 2,
      connectionsHighWater: 2,
      subscriptions: { notice: 2, room: 1 },
      eventsIn: 1,
      eventsOut: 2,
    });
  });
});
