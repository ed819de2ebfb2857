import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';

describe('publishing', () => {
  it('a payload that its schema refuses is not sent, and publish rejects with the issues', async () => {
    const { feed, open, clock } = createBench();
    const tap = await open('/events/notice');
    await expect(feed.publish('notice', { text: 7 } as never)).rejects.toMatchObject({
      code: 'invalid_payload',
      issues: [{ path: ['text'] }],
    });
    await clock.settle();
    expect(tap.payloads).toEqual([]);
  });

  it('publish rejects a stream, and an unknown topic with the names of the topics', async () => {
    const { feed } = createBench();
    await expect(feed.publish('report' as never, {} as never)).rejects.toThrow(/"report" is a stream/);
    await expect(feed.publish('nope' as never, {} as never)).rejects.toThrow(
      /its topics are notice, other, price/,
    );
  });

  it('publish rejects a payload over maxPayloadBytes and an address over maxAddressBytes', async () => {
    const { feed } = createBench({ maxPayloadBytes: 21, maxAddressBytes: 30 });
    await expect(feed.publish('notice', { text: 'ä'.repeat(5) })).resolves.toBeDefined();
    await expect(feed.publish('notice', { text: 'ä'.repeat(6) })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    await expect(feed.publish('room', { name: 'a'.repeat(40) }, { text: '' })).rejects.toMatchObject({
      code: 'address_too_long',
    });
  });
});
