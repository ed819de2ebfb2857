import { AsyncLocalStorage } from 'node:async_hooks';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { defineChannel, stream } from '@linefeed/shared';
import { describe, expect, it, vi } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { toHttpRequest } from '../adapters/fetch.ts';
import { systemClock } from './clock.ts';
import { createFeed } from '../feed/create-feed.ts';
import { toEventStreamResponse } from '../event-stream/event-stream.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { toRouter } from '../trpc/to-router.ts';
import * as z from 'zod';
import { respond } from '../http/http.ts';

interface Store {
  readonly user: string;
}

const storage = new AsyncLocalStorage<Store>();
const as = <T>(user: string, call: () => T): T => storage.run({ user }, call);
const user = (): string | undefined => storage.getStore()?.user;
const count = defineChannel({ count: stream({ data: z.number() }) });

/** A source that waits until its signal aborts, and records the store that is visible at its end. */
async function* waiting(seen: unknown[], { signal }: { signal: AbortSignal }): AsyncGenerator<number> {
  const started = user();
  signal.addEventListener('abort', () => seen.push([started, 'abort', user()]));
  try {
    yield 1;
    await new Promise(() => undefined);
  } finally {
    seen.push([started, 'finally', user()]);
  }
}

/** The same as an object: a generator that waits for a promise that never settles cannot be returned. */
function deaf(seen: unknown[]): AsyncIterable<number> {
  const started = user();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      async return() {
        seen.push([started, 'return', user()]);
        return { done: true, value: undefined };
      },
    }),
  };
}

describe('the AsyncLocalStorage context', () => {
  it('hooks run in the async context of the request that opened the connection, whatever closes it', async () => {
    const seen: unknown[] = [];
    const { feed, open, clock } = createBench({
      onOpen: () => seen.push(['open', user()]),
      onSubscribe: () => seen.push(['subscribe', user()]),
      onClose: (_connection, reason) => seen.push([reason, user()]),
      maxDurationMs: 100_000,
    });
    const ann = await as('ann', () => open('/events/notice'));
    await as('bob', () => open('/events/notice'));
    await as('eve', () => open('/events/notice'));
    as('admin', () => ann.leave());
    await clock.settle();
    as('admin', () => feed.disconnect(({ id }) => id.length > 0 && seen.length < 8));
    await clock.settle();
    expect(seen).toEqual([
      ['open', 'ann'],
      ['subscribe', 'ann'],
      ['open', 'bob'],
      ['subscribe', 'bob'],
      ['open', 'eve'],
      ['subscribe', 'eve'],
      ['client', 'ann'],
      ['disconnected', 'bob'],
      ['disconnected', 'eve'],
    ]);
  });

  it('onSubscribe of an added address runs in the async context of the request that opened the connection', async () => {
    const seen: unknown[] = [];
    const { open, ask, clock } = createBench({
      onSubscribe: (_connection, address) => seen.push([address, user()]),
    });
    const tap = await as('ann', () => open('/events/notice'));
    const { connection } = tap;
    const body = JSON.stringify({ connection, n: 1, add: [{ address: 'other' }] });
    await as('bob', () => ask('/events', { method: 'POST', body }));
    await clock.settle();
    expect(seen).toEqual([
      ['notice', 'ann'],
      ['other', 'ann'],
    ]);
  });

  it.each(['leave', 'disconnect', 'remove'])(
    'a source, its abort listeners and its return() run in the async context of its request: %s',
    async (how) => {
      const seen: unknown[] = [];
      const { feed, open, ask, clock } = createBench({
        streams: {
          tick: (context) => (user() === 'ann' ? deaf(seen) : waiting(seen, context)),
        },
      });
      const taps = [
        await as('ann', () => open('/events?topic=notice&topic=tick%3Fkey%3Da')),
        await as('bob', () => open('/events?topic=notice&topic=tick%3Fkey%3Da')),
      ];
      await clock.settle();
      for (const tap of taps) {
        const { connection } = tap;
        const body = JSON.stringify({ connection, n: 1, remove: ['tick~a'] });
        if (how === 'leave') as('eve', () => tap.leave());
        if (how === 'disconnect') as('eve', () => feed.disconnect(({ id }) => id === connection));
        if (how === 'remove') await as('eve', () => ask('/events', { method: 'POST', body }));
      }
      await clock.settle();
      const ended = [
        ['ann', 'return', 'ann'],
        ['bob', 'abort', 'bob'],
      ];
      expect(new Set(seen)).toEqual(new Set(ended));
    },
  );

  it('the source and onClose of an event stream run in the async context of its request', async () => {
    const seen: unknown[] = [];
    const clock = createManualClock();
    const tap = new Tap();
    as('ann', () => {
      const answer = toEventStreamResponse(
        () => deaf(seen),
        { method: 'GET', header: () => undefined, gone: false },
        { clock, onClose: () => seen.push(['onClose', user()]) },
      );
      (answer.body as (sink: Tap) => void)(tap);
    });
    await clock.settle();
    as('bob', () => tap.leave());
    await clock.settle();
    expect(seen).toEqual([
      ['ann', 'return', 'ann'],
      ['onClose', 'ann'],
    ]);
  });

  it('a source served by tRPC runs in the async context of its request', async () => {
    const seen: unknown[] = [];
    const feed = createFeed(count, { streams: { count: (context) => waiting(seen, context) } });
    const iterator = await as('ann', async () => {
      const content = await toRouter(feed).createCaller({}).count();
      return content[Symbol.asyncIterator]();
    });
    await as('ann', () => iterator.next());
    as('admin', () => feed.disconnect(() => true));
    await vi.waitFor(() =>
      expect(seen).toEqual([
        ['ann', 'abort', 'ann'],
        ['ann', 'finally', 'ann'],
      ]),
    );
    await feed.close();
  });

  it('a timer of the system clock runs without the async context of the request that set it', async () => {
    const seen: unknown[] = [];
    as('ann', () => {
      systemClock.after(1, () => seen.push(user()), { keepsAlive: true });
      systemClock.defer(() => seen.push(user()));
    });
    await vi.waitFor(() => expect(seen).toEqual([undefined, undefined]));
  });

  it('onClose at the end of the lifetime runs in the async context of its own request', async () => {
    const seen: unknown[] = [];
    const feed = createFeed(count, {
      streams: { count: (context) => waiting([], context) },
      maxDurationMs: 50,
      onClose: () => seen.push(user()),
    });
    for (const name of ['ann', 'bob', 'eve']) {
      await as(name, async () => {
        const answer = await respond(feed, toHttpRequest(new Request('http://feed.test/events/count')));
        (answer!.body as (sink: Tap) => void)(new Tap());
      });
    }
    await vi.waitFor(() => expect(new Set(seen)).toEqual(new Set(['ann', 'bob', 'eve'])));
    await feed.close();
  });
});

it.each<[string, string[]]>([
  ['async context frames', []],
  // The behaviour of Node before version 24.
  ['promise hooks', ['--no-async-context-frame']],
])('a feed retains no store of a finished request when Node tracks it with %s', (_name, flags) => {
  const script = fileURLToPath(new URL('../../../test-kit/retention.ts', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, script], { encoding: 'utf8' });
  expect([stdout, stderr]).toEqual(['0 stores are retained\n', '']);
});
