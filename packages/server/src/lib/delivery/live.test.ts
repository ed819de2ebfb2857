import { describe, expect, it } from 'vitest';
import { createBench, entries } from '../../../test-kit/feed-bench.ts';

describe('delivery of published events', () => {
  it('an event frame has the address, the bare payload, its cursor and the position of the previous event', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('room', { name: 'a' }, { text: 'first' });
    const tap = await open('/events/room?name=a');
    await feed.publish('notice', { text: 'elsewhere' });
    const { cursor } = await feed.publish('room', { name: 'a' }, { text: 'second' });
    await clock.settle();
    expect(tap.text).toContain(`id: ${cursor}.1\nevent: room?floor=0&name=a\ndata: {"text":"second"}\n\n`);
    expect(tap.payloads).toEqual([{ text: 'second' }]);
  });

  it('frames of one tick are one write, whose bytes are shared by connections with the same frames', async () => {
    const { feed, open, clock } = createBench();
    const [one, two, three] = [
      await open('/events/notice'),
      await open('/events/notice'),
      await open(entries('notice', 'other')),
    ];
    const before = one.writes.length;
    const threeBefore = three.writes.length;
    await feed.publish('notice', { text: 'a' });
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'b' });
    await clock.settle();
    expect(one.writes).toHaveLength(before + 1);
    expect(one.writes.at(-1)).toBe(two.writes.at(-1));
    expect(three.writes).toHaveLength(threeBefore + 1);
    expect(three.payloads).toEqual([{ text: 'a' }, { n: 1 }, { text: 'b' }]);
  });
});
