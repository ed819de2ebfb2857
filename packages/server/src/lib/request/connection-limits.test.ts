import { describe, expect, it } from 'vitest';
import { createBench, entries } from '../../../test-kit/feed-bench.ts';

describe('limits of connections and requests', () => {
  it('a feed at maxConnections answers a GET with linefeed.reconnect and a POST with 503', async () => {
    const { open, ask } = createBench({ maxConnections: 1 });
    await open('/events/notice');
    const second = await open('/events/notice');
    expect(second.ended).toBe(true);
    expect(second.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'busy' } }]);
    expect(second.text).toMatch(/^retry: \d+\n/);
    const post = await ask('/events', { method: 'POST', body: '{"topics":[{"address":"notice"}]}' });
    expect(post.status).toBe(503);
    expect(Number(Object.fromEntries(post.headers)['retry-after'])).toBeGreaterThanOrEqual(5);
  });

  it('the connections of one principal and the subscriptions of one connection are limited', async () => {
    const { open } = createBench({
      context: (request: Request) => ({ principal: request.headers.get('user')! }),
      maxConnectionsPerPrincipal: 1,
      maxSubscriptions: 2,
    });
    const first = await open('/events/notice', { headers: { user: 'ann' } });
    expect((await open('/events/notice', { headers: { user: 'ann' } })).ended).toBe(true);
    expect((await open('/events/notice', { headers: { user: 'bob' } })).ended).toBe(false);
    first.leave();
    expect((await open('/events/notice', { headers: { user: 'ann' } })).ended).toBe(false);
    const crowded = await open(entries('notice', 'other', 'tick?key=k'), {
      headers: { user: 'cy' },
    });
    expect(crowded.of('linefeed.subscribed')).toHaveLength(2);
    expect(crowded.of('linefeed.error')).toMatchObject([
      { data: { address: 'tick~k', key: 'k', code: 'too_many_subscriptions', retryable: false } },
    ]);
  });

  it('a GET gets linefeed.reconnect when context does not settle within requestTimeoutMs', async () => {
    const { feed, clock } = createBench({
      context: () => new Promise<never>(() => {}),
      requestTimeoutMs: 1_000,
    });
    const answering = feed.handle(new Request('http://feed.test/events/notice'));
    await clock.advance(1_001);
    const response = await answering;
    // A 503 would end a plain EventSource permanently.
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(/event: linefeed.reconnect/);
  });
});
