import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTRPCClient, httpSubscriptionLink, type TRPCClientErrorLike } from '@trpc/client';
import { initTRPC, tracked, TRPCError, type AnyTRPCRouter } from '@trpc/server';
import { createHTTPServer, type CreateHTTPContextOptions } from '@trpc/server/adapters/standalone';
import { defineChannel, LinefeedError, run, stream, topic } from '@linefeed/shared';
import { EventSource } from 'eventsource';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import type { FeedOptions } from '../feed/option-types.ts';
import { memoryLog } from '../log/memory-log.ts';
import { message } from '../stream/message.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { toRouter } from './to-router.ts';

const topics = {
  notice: z.object({ text: z.string() }),
  price: topic({
    params: z.object({ symbol: z.string() }),
    data: z.object({ bid: z.number() }),
    keep: 'latest',
  }),
  room: topic({ params: z.object({ name: z.string() }), data: z.object({ n: z.number() }) }),
  count: stream({ params: z.object({ to: z.number() }), data: z.object({ n: z.number() }) }),
};

const closers: Array<() => Promise<unknown> | void> = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function createBench<Context = undefined>(
  options: Partial<FeedOptions<ReturnType<typeof makeBoard>, Context>> = {},
) {
  const feed = createFeed(makeBoard(), {
    streams: {
      async *count({ params, lastEventId }: { params: { to: number }; lastEventId: string | undefined }) {
        for (let n = Number(lastEventId ?? 0) + 1; n <= params.to; n += 1)
          yield n % 2 === 0 ? message({ n }, { id: n }) : tracked(String(n), { n });
      },
    },
    ...options,
  });
  closers.push(() => feed.close());
  return feed;
}

function makeBoard() {
  return defineChannel(topics);
}

/** Serves a router with tRPC's own server, and returns a stock client for it. */
async function serve<Router extends AnyTRPCRouter>(
  router: Router,
  createContext: (options: CreateHTTPContextOptions) => object = () => ({}),
) {
  const server = createHTTPServer({
    router,
    createContext: async (options) => createContext(options) as never,
  });
  server.prependListener('request', (_, res) => comeBackSoon(res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createTRPCClient<Router>({ links: [httpSubscriptionLink({ url, EventSource } as never)] });
  return {
    client,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Sets the reconnection time of the event stream to 20 ms. tRPC sets none, which means 3 s. */
function comeBackSoon(res: ServerResponse): void {
  const write = res.write.bind(res) as (chunk: unknown, ...rest: unknown[]) => boolean;
  res.write = (chunk: unknown, ...rest: unknown[]) => {
    res.write = write;
    if (String(res.getHeader('content-type')).startsWith('text/event-stream')) write('retry: 20\n\n');
    return write(chunk, ...rest);
  };
}

interface Watched<T> {
  readonly data: T[];
  readonly errors: Array<TRPCClientErrorLike<AnyTRPCRouter>>;
  readonly ended: string[];
}

/** Callbacks that record their arguments. */
function watch<T>() {
  const watched: Watched<T> = { data: [], errors: [], ended: [] };
  return {
    ...watched,
    onData: (value: T) => void watched.data.push(value),
    onError: (error: TRPCClientErrorLike<AnyTRPCRouter>) => void watched.errors.push(error),
    onComplete: () => void watched.ended.push('complete'),
  };
}

/** Collects the codes of refusals. The client repeats a refused subscription, so one code is reported many times. */
function watchRefusals() {
  const codes = new Set<string>();
  const { promise: first, resolve } = Promise.withResolvers<void>();
  return {
    codes,
    first,
    onConnectionStateChange({ error }: { error: TRPCClientErrorLike<AnyTRPCRouter> | null }) {
      if (!error?.data) return;
      codes.add(error.data.code);
      resolve();
    },
  };
}

describe('a topic over tRPC', () => {
  it('a stock tRPC client receives typed events of a topic, tracked by their cursor', async () => {
    const feed = createBench();
    const { client } = await serve(toRouter(feed));
    const seen = watch<{ id: string; data: { text: string } }>();
    const subscription = client.notice.subscribe(
      { lastEventId: feed.cursor() },
      {
        ...seen,
        onData(value) {
          expectTypeOf(value).toEqualTypeOf<{ id: string; data: { text: string } }>();
          seen.onData(value);
        },
      },
    );
    const { cursor } = await feed.publish('notice', { text: 'hello' });
    await vi.waitFor(() => expect(seen.data).toEqual([{ id: cursor, data: { text: 'hello' } }]));
    subscription.unsubscribe();
  });

  it('a stock tRPC client resumes a topic after its connection was cut', async () => {
    const feed = createBench();
    const { client, cut } = await serve(toRouter(feed));
    const seen = watch<{ data: { n: number } }>();
    const subscription = client.room.subscribe({ name: 'a', lastEventId: feed.cursor() }, seen);
    await feed.publish('room', { name: 'a' }, { n: 1 });
    await vi.waitFor(() => expect(seen.data).toHaveLength(1));
    cut();
    await feed.publish('room', { name: 'b' }, { n: 99 });
    await feed.publish('room', { name: 'a' }, { n: 2 });
    await feed.publish('room', { name: 'a' }, { n: 3 });
    await vi.waitFor(() => expect(seen.data.map(({ data }) => data.n)).toEqual([1, 2, 3]), 10_000);
    subscription.unsubscribe();
  });

  it('a tRPC subscription to a keep: latest topic receives its newest value first', async () => {
    const feed = createBench();
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    await feed.publish('price', { symbol: 'A' }, { bid: 2 });
    const { client } = await serve(toRouter(feed));
    const seen = watch<{ data: { bid: number } }>();
    const subscription = client.price.subscribe({ symbol: 'A' }, seen);
    await vi.waitFor(() => expect(seen.data.map(({ data }) => data.bid)).toEqual([2]));
    subscription.unsubscribe();
  });

  it('a stream over tRPC runs for each subscription, continues after the last id, and completes', async () => {
    const feed = createBench();
    const { client } = await serve(toRouter(feed));
    const all = watch<unknown>();
    client.count.subscribe({ to: 3 }, all);
    await vi.waitFor(() => expect(all.ended).toEqual(['complete']));
    expect(all.data).toEqual([1, 2, 3].map((n) => ({ id: String(n), data: { n } })));
    const rest = watch<unknown>();
    client.count.subscribe({ to: 3, lastEventId: '2' }, rest);
    await vi.waitFor(() => expect(rest.ended).toEqual(['complete']));
    expect(rest.data).toEqual([{ id: '3', data: { n: 3 } }]);
  });

  it('wrong params over tRPC are refused with BAD_REQUEST and the message of the schema', async () => {
    const { client } = await serve(toRouter(createBench()));
    const seen = watch<unknown>();
    client.room.subscribe({ name: 7 } as never, seen);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'BAD_REQUEST', path: 'room' }));
    expect(seen.errors[0]!.message).toMatch(/^The params of room are not valid: name: /);
  });

  it('a run over tRPC is refused with a message, and is not in the type of the router', async () => {
    const feed = createFeed(defineChannel({ notice: topics.notice, job: run({ data: z.number() }) }), {});
    closers.push(() => feed.close());
    const router = toRouter(feed);
    expectTypeOf<keyof typeof router.notice>().not.toBeNever();
    expectTypeOf(router).not.toHaveProperty('job');
    const { client } = await serve(router);
    const seen = watch<unknown>();
    (client as unknown as Record<'job', typeof client.notice>).job.subscribe(undefined, seen);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'METHOD_NOT_SUPPORTED' }));
    expect(seen.errors[0]!.message).toBe(
      '"job" is a run, which tRPC cannot deliver; subscribe to it at the path of the feed.',
    );
  });

  it('toRouter refuses a topic with a param named lastEventId', () => {
    const board = defineChannel({
      bad: topic({ params: z.object({ lastEventId: z.string() }), data: z.object({}) }),
    });
    const feed = createFeed(board, {});
    closers.push(() => feed.close());
    expect(() => toRouter(feed)).toThrow('Topic "bad" has a param "lastEventId"');
  });
});

describe('authorisation over tRPC', () => {
  it('authorize of the feed runs for a tRPC subscription, with a context made from the tRPC context', async () => {
    const asked: unknown[] = [];
    const feed = createBench<{ user: string }>({
      context: () => ({ user: 'over the wire' }),
      authorize({ context, address }) {
        asked.push([context.user, address]);
        return context.user === 'ann';
      },
    });
    const router = toRouter(feed, {
      context: ({ ctx }: { ctx: { name?: string } }) => ({ user: ctx.name ?? 'anonymous' }),
    });
    const { client } = await serve(router, ({ req }) => ({
      name: new URL(req.url!, 'http://x').searchParams.get('name') ?? undefined,
    }));
    const seen = watch<unknown>();
    client.room.subscribe({ name: 'a' }, seen);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'FORBIDDEN' }));
    expect(asked).toEqual([['anonymous', 'room?name=a']]);
  });

  it('a TRPCError that context throws reaches the client with its code and message', async () => {
    const feed = createBench();
    const router = toRouter(feed, {
      context() {
        throw new TRPCError({ code: 'UNAUTHORIZED', message: 'sign in' });
      },
    });
    const { client } = await serve(router);
    const seen = watch<unknown>();
    client.notice.subscribe(undefined, seen);
    await vi.waitFor(() =>
      expect(seen.errors[0]).toMatchObject({ message: 'sign in', data: { code: 'UNAUTHORIZED' } }),
    );
  });
});

describe('a tRPC session that ends', () => {
  const serveSessions = async (session: () => object) => {
    const feed = createBench<{ principal?: string }>({ pingMs: 100 });
    let asked = 0;
    const router = toRouter(feed, {
      context() {
        asked += 1;
        return session();
      },
    });
    const { client } = await serve(router);
    return { feed, client, asked: () => asked };
  };

  it('an expiring tRPC session calls context again, and continues after the last event', async () => {
    const { feed, client, asked } = await serveSessions(() => ({ expiresAt: Date.now() + 200 }));
    const seen = watch<{ data: { n: number } }>();
    const subscription = client.room.subscribe({ name: 'a', lastEventId: feed.cursor() }, seen);
    await feed.publish('room', { name: 'a' }, { n: 1 });
    await vi.waitFor(() => expect(asked()).toBe(2), 5_000);
    await feed.publish('room', { name: 'a' }, { n: 2 });
    await vi.waitFor(() => expect(seen.data.map(({ data }) => data.n)).toEqual([1, 2]), 5_000);
    subscription.unsubscribe();
  });

  it('disconnect ends a tRPC session by its principal, and context can refuse the reconnect', async () => {
    let principal = 'ann';
    const { feed, client } = await serveSessions(() => {
      if (principal === '') throw new TRPCError({ code: 'UNAUTHORIZED', message: 'sign in' });
      return { principal };
    });
    const seen = watch<unknown>();
    client.room.subscribe({ name: 'a', lastEventId: feed.cursor() }, seen);
    await feed.publish('room', { name: 'a' }, { n: 1 });
    await vi.waitFor(() => expect(seen.data).toHaveLength(1));
    expect(feed.disconnect((connection) => connection.principal === 'bob')).toBe(0);
    principal = '';
    const named: unknown[] = [];
    expect(
      feed.disconnect(({ principal: who, events }) => {
        named.push(events);
        return who === 'ann';
      }),
    ).toBe(1);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'UNAUTHORIZED' }), 5_000);
    expect(named).toEqual([['room?name=a']]);
    expect(feed.disconnect(() => true)).toBe(0);
  });
});

describe('a tRPC session that is over', () => {
  it('a tRPC session that starts expired gets no event and a retryable error', async () => {
    let expired = true;
    const feed = createBench<object>();
    const router = toRouter(feed, {
      context: () => ({ expiresAt: expired ? Date.now() - 60_000 : undefined }),
    });
    const { client } = await serve(router);
    const seen = watch<{ data: { n: number } }>();
    const { codes, first, onConnectionStateChange } = watchRefusals();
    const subscription = client.room.subscribe(
      { name: 'a', lastEventId: feed.cursor() },
      { ...seen, onConnectionStateChange },
    );
    await first;
    expect([...codes]).toEqual(['SERVICE_UNAVAILABLE']);
    await feed.publish('room', { name: 'a' }, { n: 1 });
    expired = false;
    await vi.waitFor(() => expect(seen.data.map(({ data }) => data.n)).toEqual([1]), 8_000);
    subscription.unsubscribe();
  });

  it('an expired tRPC session gets no further event, even before its timer fires', async () => {
    const clock = createManualClock();
    const feed = createBench<object>({ clock });
    const router = toRouter(feed, { context: () => ({ expiresAt: clock.wallNow() + 60_000 }) });
    const input = { name: 'a', lastEventId: feed.cursor() };
    const room = (await router.createCaller({}).room(input))[Symbol.asyncIterator]();
    const count = (await router.createCaller({}).count({ to: 9 }))[Symbol.asyncIterator]();
    for (const n of [1, 2]) await feed.publish('room', { name: 'a' }, { n });
    const first = await Promise.all([room.next(), count.next()]);
    expect(first).toMatchObject([{ done: false }, { done: false }]);
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 60_000;
    await expect(room.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await expect(count.next()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

  it('a tRPC session that is disconnected during authorize starts no stream', async () => {
    let started = 0;
    let decide: (() => void) | undefined;
    const feed = createFeed(makeBoard(), {
      streams: {
        *count() {
          yield { n: (started += 1) };
        },
      },
      authorize: () => new Promise((resolve) => (decide = () => resolve(true))),
    });
    closers.push(() => feed.close());
    const { client } = await serve(toRouter(feed));
    const subscription = client.count.subscribe({ to: 1 }, watch<unknown>());
    await vi.waitFor(() => expect(decide).toBeDefined());
    expect(feed.disconnect(() => true)).toBe(1);
    const first = decide!;
    first();
    await vi.waitFor(() => expect(decide).not.toBe(first), 8_000);
    expect(started).toBe(0);
    subscription.unsubscribe();
  });

  it('disconnect ends a stream over tRPC even if its source ignores the signal', async () => {
    let ended = false;
    let said = 0;
    const feed = createFeed(makeBoard(), {
      streams: {
        async *count() {
          try {
            for (;;) {
              said += 1;
              yield { n: said };
              await new Promise((resolve) => setTimeout(resolve, 5));
            }
          } finally {
            ended = true;
          }
        },
      },
    });
    closers.push(() => feed.close());
    const { client } = await serve(toRouter(feed));
    const seen = watch<unknown>();
    const subscription = client.count.subscribe({ to: 1 }, seen);
    await vi.waitFor(() => expect(seen.data.length).toBeGreaterThan(2));
    expect(feed.disconnect(() => true)).toBe(1);
    await vi.waitFor(() => expect(ended).toBe(true));
    subscription.unsubscribe();
  });

  it('a closed feed refuses tRPC subscriptions with SERVICE_UNAVAILABLE', async () => {
    const feed = createBench();
    const { client } = await serve(toRouter(feed));
    await feed.close();
    const seen = watch<unknown>();
    const [count, notice] = [watchRefusals(), watchRefusals()];
    const subscriptions = [
      client.count.subscribe({ to: 3 }, { ...seen, onConnectionStateChange: count.onConnectionStateChange }),
      client.notice.subscribe(undefined, {
        ...seen,
        onConnectionStateChange: notice.onConnectionStateChange,
      }),
    ];
    await Promise.all([count.first, notice.first]);
    expect([...count.codes, ...notice.codes]).toEqual(['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE']);
    expect([seen.data, seen.ended]).toEqual([[], []]);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });
});

describe('a tRPC subscription that fails', () => {
  it.each([
    ['its source throws', { streams: { count: fail } }],
    ['`authorize` throws', { authorize: fail }],
  ])(
    'a failure of a tRPC subscription goes to onError, and the client does not get its message: %s',
    async (_name, options) => {
      const errors: unknown[] = [];
      const feed = createBench({ onError: (error: unknown) => errors.push(error), ...options });
      const content = await toRouter(feed).createCaller({}).count({ to: 1 });
      const failing = content[Symbol.asyncIterator]().next();
      await expect(failing).rejects.toMatchObject({
        code: 'INTERNAL_SERVER_ERROR',
        message: expect.not.stringContaining('hunter2'),
      });
      expect(errors).toMatchObject([{ message: 'hunter2' }]);
    },
  );

  function fail(): never {
    throw new LinefeedError('log_failed', 'hunter2', { status: 500 });
  }
});

it('an authorize that returns no boolean refuses the tRPC subscription and is reported', async () => {
  const errors: unknown[] = [];
  const feed = createBench({
    authorize: () => 1 as unknown as boolean,
    onError: (error: unknown) => errors.push(error),
  });
  const content = await toRouter(feed).createCaller({}).count({ to: 1 });
  await expect(content[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(errors).toMatchObject([{ code: 'invalid_option' }]);
});

describe('a tRPC subscription whose receiver leaves', () => {
  type Source = (context: { signal: AbortSignal }) => AsyncIterable<{ n: number }> | Promise<never>;
  const never = new Promise<never>(() => undefined);

  /** Opens the stream `count` in process and returns its iterator. */
  async function openCount(source: Source, signal?: AbortSignal, options: object = {}) {
    const errors: unknown[] = [];
    const feed = createFeed(makeBoard(), {
      streams: { count: source },
      onError: (error: unknown) => errors.push(error),
      ...options,
    });
    closers.push(() => feed.close());
    const content = await toRouter(feed)
      .createCaller({}, signal && { signal })
      .count({ to: 1 });
    return { iterator: content[Symbol.asyncIterator](), errors };
  }

  it.each<[string, Source]>([
    ['never returns its iterable', () => never],
    [
      'waits in its first step',
      async function* () {
        yield await never;
      },
    ],
    [
      'yields a promise that never settles',
      () => ({ [Symbol.asyncIterator]: () => ({ next: () => never }) }),
    ],
  ])(
    'a tRPC subscription ends at once when its receiver leaves, even if its source %s',
    async (_name, source) => {
      for (const abortsFirst of [true, false]) {
        const controller = new AbortController();
        const { iterator } = await openCount(source, controller.signal);
        const next = iterator.next();
        await new Promise((resolve) => setImmediate(resolve));
        if (abortsFirst) controller.abort();
        expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
        expect(await next).toEqual({ done: true, value: undefined });
      }
    },
  );

  it('a tRPC subscription ends at once when its receiver leaves, even if authorize never decides', async () => {
    const { iterator } = await openCount(() => never, undefined, { authorize: () => never });
    const next = iterator.next();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect((await next).done).toBe(true);
  });

  it('a receiver that leaves aborts the signal and returns the source, without an error', async () => {
    const seen: unknown[] = [];
    const { iterator, errors } = await openCount(async function* ({ signal }) {
      signal.addEventListener('abort', () => seen.push(signal.reason));
      try {
        for (;;) yield { n: 1 };
      } finally {
        seen.push('returned');
      }
    });
    expect((await iterator.next()).value).toEqual({ n: 1 });
    await iterator.return?.();
    expect(seen).toEqual([expect.objectContaining({ name: 'AbortError' }), 'returned']);
    expect(errors).toEqual([]);
  });

  it('an error in the cleanup of a tRPC source is reported', async () => {
    const { iterator, errors } = await openCount(async function* () {
      try {
        for (;;) yield { n: 1 };
      } finally {
        await Promise.reject(new Error('cleanup'));
      }
    });
    await iterator.next();
    await iterator.return?.();
    await vi.waitFor(() => expect(errors).toMatchObject([{ message: 'cleanup' }]));
  });
});

it('a stream over tRPC ends when its feed closes', async () => {
  let ended = false;
  const feed = createFeed(makeBoard(), {
    streams: {
      async *count({ signal }) {
        try {
          yield { n: 1 };
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        } finally {
          ended = true;
        }
      },
    },
  });
  const { client } = await serve(toRouter(feed));
  const seen = watch<unknown>();
  const subscription = client.count.subscribe({ to: 3 }, seen);
  await vi.waitFor(() => expect(seen.data).toHaveLength(1));
  await feed.close();
  await vi.waitFor(() => expect(ended).toBe(true));
  subscription.unsubscribe();
});

describe('a gap over tRPC', () => {
  const small = () => createBench({ log: memoryLog({ maxEvents: 2 }) });

  it('a gap ends the tRPC subscription with CONFLICT', async () => {
    const feed = small();
    const { cursor } = await feed.publish('notice', { text: '0' });
    for (const text of ['1', '2', '3', '4']) await feed.publish('notice', { text });
    const { client } = await serve(toRouter(feed));
    const seen = watch<unknown>();
    client.notice.subscribe({ lastEventId: cursor }, seen);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'CONFLICT', httpStatus: 409 }));
    expect(seen.data).toEqual([]);
  });

  it("a tRPC subscription skips a gap with gapPolicy: 'ignore'", async () => {
    const feed = small();
    const { cursor } = await feed.publish('notice', { text: '0' });
    for (const text of ['1', '2', '3', '4']) await feed.publish('notice', { text });
    const { client } = await serve(toRouter(feed, { gapPolicy: 'ignore' }));
    const seen = watch<{ data: { text: string } }>();
    const subscription = client.notice.subscribe({ lastEventId: cursor }, seen);
    await vi.waitFor(() => expect(seen.data.map(({ data }) => data.text)).toEqual(['3', '4']));
    subscription.unsubscribe();
  });

  it('a last event id of another feed is a gap and ends the tRPC subscription with CONFLICT', async () => {
    const { client } = await serve(toRouter(small()));
    const seen = watch<unknown>();
    client.notice.subscribe({ lastEventId: 'of another feed' }, seen);
    await vi.waitFor(() => expect(seen.errors[0]?.data).toMatchObject({ code: 'CONFLICT' }));
  });
});

describe('the router of a feed', () => {
  it('the router of a feed can be part of a larger router', async () => {
    const feed = createBench();
    const t = initTRPC.create();
    const appRouter = t.router({ live: toRouter(feed) });
    const { client } = await serve(appRouter);
    const seen = watch<{ data: { bid: number } }>();
    await feed.publish('price', { symbol: 'A' }, { bid: 5 });
    const subscription = client.live.price.subscribe({ symbol: 'A' }, seen);
    await vi.waitFor(() => expect(seen.data[0]?.data).toEqual({ bid: 5 }));
    subscription.unsubscribe();
  });
});
