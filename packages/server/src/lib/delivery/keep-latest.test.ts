import { describe, expect, it } from 'vitest';
import { after, at, createBench } from '../../../test-kit/feed-bench.ts';

describe('keep: latest', () => {
  it('a new subscriber of keep: latest gets the newest value first, and one that resumes gets no superseded value', async () => {
    const { feed, open, clock } = createBench();
    for (let bid = 1; bid <= 5; bid += 1) await feed.publish('price', { symbol: 'ACME' }, { bid });
    const fresh = await open('/events/price?symbol=ACME');
    await feed.publish('price', { symbol: 'ACME' }, { bid: 6 });
    await clock.settle();
    expect(fresh.payloads).toEqual([{ bid: 5 }, { bid: 6 }]);
    const back = await open('/events/price?symbol=ACME', after(at(feed.cursor(), 2)));
    expect(back.payloads).toEqual([{ bid: 6 }]);
    expect(back.of('linefeed.gap')).toEqual([]);
    expect(back.of('price?symbol=ACME')[0]!.id).toBe(feed.cursor());
  });

  it.each(['garbage', 'zzz.future'])(
    'an unusable cursor delivers the newest value of keep: latest: %s',
    async (cursor) => {
      const { feed, open } = createBench();
      await feed.publish('price', { symbol: 'A' }, { bid: 1 });
      await feed.publish('notice', { text: 'past' });
      const from = cursor === 'zzz.future' ? at(feed.cursor(), 999) : cursor;
      const tap = await open(`/events?topic=notice&topic=price%3Fsymbol%3DA&last_event_id=${from}`);
      expect(tap.of('linefeed.gap')).toHaveLength(2);
      expect(tap.payloads).toEqual([{ bid: 1 }]);
    },
  );
});
