import { describe, expect, it } from 'vitest';
import { createBench, entries, post, problemOf } from '../../../test-kit/feed-bench.ts';

describe('opening a connection', () => {
  it('the first bytes are linefeed.hello with the tail as id, then linefeed.subscribed', async () => {
    const { feed, open } = createBench({ pingMs: 4_000, maxDurationMs: 60_000, retryMs: 1_500 });
    await feed.publish('notice', { text: 'before' });
    const tap = await open('/events/notice');
    expect(tap.text).toMatch(/^retry: 1500\nid: /);
    const [hello, subscribed, ...rest] = tap.frames;
    expect(hello).toEqual({
      event: 'linefeed.hello',
      id: feed.cursor(),
      data: {
        protocol: 1,
        connection: expect.stringMatching(/^[0-9a-f]{32}$/),
        pingMs: 4_000,
        timeoutMs: 13_000,
        maxDurationMs: 60_000,
      },
    });
    expect(subscribed).toEqual({
      event: 'linefeed.subscribed',
      id: undefined,
      data: { address: 'notice', event: 'notice', cursor: feed.cursor(), tail: feed.cursor() },
    });
    expect(rest).toEqual([]);
  });

  it('params are validated as text, else as JSON, and linefeed.subscribed has the canonical address', async () => {
    const { open } = createBench();
    const tap = await open(entries('room?name=7&floor=2', 'room?name=7'));
    expect(tap.dataOf('linefeed.subscribed')).toMatchObject([
      { address: 'room?name=7&floor=2', event: 'room?floor=2&name=7' },
      { address: 'room?name=7', event: 'room?floor=0&name=7' },
    ]);
  });

  it('unknown query keys are not part of the address', async () => {
    const { open } = createBench();
    const tap = await open('/events/room?name=a&token=secret&floor=1');
    expect(tap.dataOf('linefeed.subscribed')[0]).toMatchObject({ event: 'room?floor=1&name=a' });
    expect(tap.text).not.toContain('secret');
  });

  it('an address that is requested in two spellings is delivered once', async () => {
    const { feed, open, clock } = createBench();
    const tap = await open(entries('room?name=a', 'room?floor=0&name=a'));
    await feed.publish('room', { name: 'a' }, { text: 'once' });
    await clock.settle();
    expect(tap.of('linefeed.subscribed')).toHaveLength(2);
    expect(tap.payloads).toEqual([{ text: 'once' }]);
  });

  it('a POST opens a connection with the entries of its body', async () => {
    const { feed, open, clock } = createBench();
    const tap = await open(
      '/events',
      post({ topics: [{ address: 'notice', from: 'now' }, { address: 'other' }] }),
    );
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'a' });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { text: 'a' }]);
  });

  it('an opening with refused entries serves the other entries', async () => {
    const { open } = createBench({ authorize: ({ topic }) => topic !== 'other' });
    const tap = await open(entries('notice', 'nonsense', 'other'));
    expect(tap.dataOf('linefeed.error')).toMatchObject([
      { address: 'nonsense', code: 'unknown_topic', retryable: false },
      { address: 'other', code: 'forbidden', retryable: false },
    ]);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });

  it('a subscription with an address over maxAddressBytes is refused', async () => {
    const { ask } = createBench({ maxAddressBytes: 30 });
    const answer = await ask(`/events/room?name=${'a'.repeat(40)}`);
    expect([answer.status, problemOf(answer)]).toMatchObject([400, { code: 'address_too_long' }]);
  });
});
