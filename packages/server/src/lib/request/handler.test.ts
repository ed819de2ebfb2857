import { describe, expect, it, vi } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { toHttpRequest } from '../adapters/fetch.ts';
import { respond } from '../http/http.ts';

const turns = async (): Promise<void> => {
  // A body arrives by real ticks, which no manual clock drives.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

function endless(cancel: () => void): Request {
  const body = new ReadableStream({ pull: () => new Promise<never>(() => {}), cancel });
  return new Request('http://feed.test/events', { method: 'POST', body, duplex: 'half' } as RequestInit);
}

describe('a request before its response head', () => {
  it('context receives the method without the body, and runs before the body is read', async () => {
    const seen: unknown[] = [];
    const { ask } = createBench({
      context: (request, { headers }) => {
        seen.push([request.method, request.body]);
        headers.set('x-served-by', 'one');
        if (request.headers.get('user') === null) throw Object.assign(new Error(), { status: 401 });
      },
    });
    const anonymous = await ask('/events', { method: 'POST', body: 'no JSON' });
    const somebody = await ask('/events', { method: 'POST', body: 'no JSON', headers: { user: 'ann' } });
    expect([anonymous.status, somebody.status]).toEqual([401, 400]);
    expect(Object.fromEntries(somebody.headers)['x-served-by']).toBe('one');
    await ask('/events/notice', { method: 'HEAD', headers: { user: 'ann' } });
    expect(seen).toEqual([
      ['POST', null],
      ['POST', null],
      ['HEAD', null],
    ]);
  });

  it('a request whose body does not arrive within requestTimeoutMs gets 503', async () => {
    const { feed, clock } = createBench({ requestTimeoutMs: 1_000 });
    const cancelled = vi.fn();
    const answering = feed.handle(endless(cancelled));
    await turns();
    await clock.advance(1_001);
    const response = await answering;
    expect([response.status, await response.json()]).toMatchObject([503, { code: 'timeout' }]);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(5);
    // The body is not cancelled at once: in some runtimes that would cut off the answer.
    expect(cancelled).not.toHaveBeenCalled();
    await clock.advance(2_001);
    expect(cancelled).toHaveBeenCalledOnce();
    await turns();
    expect(clock.pending).toBe(0);
  });

  it.each(['context', 'authorize'])(
    'a POST gets 503 when %s does not settle within requestTimeoutMs',
    async (hook) => {
      const { feed, clock } = createBench({
        requestTimeoutMs: 1_000,
        [hook]: () => new Promise<never>(() => {}),
      });
      const body = JSON.stringify({ topics: [{ address: 'notice' }] });
      const answering = feed.handle(new Request('http://feed.test/events', { method: 'POST', body }));
      await turns();
      await clock.settle();
      await turns();
      await clock.advance(1_001);
      const response = await answering;
      expect([response.status, await response.json()]).toMatchObject([503, { code: 'timeout' }]);
    },
  );

  it('a burst of requests is accepted 64 per event-loop turn, with live events delivered in between', async () => {
    let letIn = 0;
    const { feed, clock, open } = createBench({ context: () => void (letIn += 1) });
    const live = await open('/events/notice');
    letIn = 0;
    const seen: Array<readonly [letIn: number, arrived: boolean]> = [];
    const others = (): void => {
      const last = seen.at(-1);
      const now = [letIn, live.text.includes('"now"')] as const;
      if (last?.[0] !== now[0] || last[1] !== now[1]) seen.push(now);
      if (letIn < 150) clock.defer(others);
    };
    for (let count = 0; count < 150; count += 1) {
      void respond(feed, toHttpRequest(new Request('http://feed.test/events/notice')));
    }
    clock.defer(others);
    await feed.publish('notice', { text: 'now' });
    await clock.settle();
    await clock.settle();
    expect(seen).toEqual([
      [64, false],
      [128, true],
      [150, true],
    ]);
  });
});
