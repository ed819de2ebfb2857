import { EventEmitter, on } from 'node:events';
import { initTRPC, tracked, TRPCError } from '@trpc/server';
import { observable } from '@trpc/server/observable';
import superjson from 'superjson';
import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { toHttpRequest } from '../adapters/fetch.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { fromRouter, type RouterFeed } from './from-router.ts';
import type { SubscriptionContextOptions } from './procedure-run.ts';
import { respond } from '../http/http.ts';

const t = initTRPC.context<{ user?: string | undefined }>().create({ isDev: false });

/** Retries a check until it no longer throws. */
const until = vi.waitFor;

async function open(feed: RouterFeed, path: string, init?: RequestInit): Promise<Tap> {
  const answer = await respond(feed, toHttpRequest(new Request(`http://localhost${path}`, init)));
  if (typeof answer?.body !== 'function')
    throw new Error(`Answered ${answer?.status}: ${answer?.body as string}`);
  const tap = new Tap();
  answer.body(tap);
  return tap;
}

function post(
  entries: ReadonlyArray<{ path: string; input?: unknown; from?: string; key: string }>,
): RequestInit {
  const topics = entries.map(({ path, input, from, key }) => ({
    address: input === undefined ? path : `${path}?input=${encodeURIComponent(JSON.stringify(input))}`,
    key,
    ...(from === undefined ? {} : { from }),
  }));
  return { method: 'POST', body: JSON.stringify({ topics }) };
}

it('a feed of a router does not warn about a missing authorize', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const router = t.router({ one: t.procedure.subscription(async function* () {}) });
  const feed = fromRouter(router, { createContext: () => ({}) });
  await open(feed, '/live/one');
  expect(warn).not.toHaveBeenCalled();
  await feed.close();
  warn.mockRestore();
  vi.unstubAllEnvs();
});

describe('input parsers of a procedure', () => {
  const parsed: string[] = [];
  const parser = (name: string) => (value: unknown) => {
    parsed.push(name);
    return value as { lastEventId?: string };
  };
  const router = t.router({
    open: t.procedure.input(parser('open')).subscription(async function* ({ input }) {
      yield input.lastEventId;
    }),
    guarded: t.procedure
      .use(({ next, ctx }) => {
        if (ctx.user !== 'ann') throw new TRPCError({ code: 'UNAUTHORIZED' });
        return next();
      })
      .input(parser('guarded'))
      .subscription(async function* ({ input }) {
        yield input.lastEventId;
      }),
    query: t.procedure.input(parser('query')).query(() => 1),
    mutation: t.procedure.input(parser('mutation')).mutation(() => 1),
  });

  it.each([
    ['createContext refuses', 'open', 'anonymous'],
    ['a middleware before them refuses', 'guarded', 'bob'],
    ['the procedure is a query', 'query', 'ann'],
    ['the procedure is a mutation', 'mutation', 'ann'],
  ])('input parsers do not run for a last event id if %s', async (_name, path, user) => {
    parsed.length = 0;
    const feed = fromRouter(router, {
      createContext() {
        if (user === 'anonymous') throw new TRPCError({ code: 'UNAUTHORIZED' });
        return { user };
      },
    });
    const tap = await open(feed, `/live/${path}?input={"n":1}`, { headers: { 'last-event-id': '~7' } });
    await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
    expect(parsed).toEqual([]);
    await feed.close();
  });

  it.each(['open', 'guarded'])(
    'input parsers run with the last event id if nothing refuses the subscription: %s',
    async (path) => {
      const feed = fromRouter(router, { createContext: () => ({ user: 'ann' }) });
      const tap = await open(feed, `/live/${path}?input={"n":1}`, { headers: { 'last-event-id': '~7' } });
      await until(() => expect(tap.payloads).toEqual(['7']));
      await feed.close();
    },
  );
});

describe('a subscription of a router', () => {
  it('frames of a subscription name its path and key, but contain nothing of its input', async () => {
    const router = t.router({
      post: {
        onAdd: t.procedure.input(z.object({ secret: z.string() })).subscription(async function* ({ input }) {
          yield tracked('1', { length: input.secret.length });
          yield 'untracked';
        }),
      },
    });
    const feed = fromRouter(router, { createContext: () => ({}) });
    const tap = await open(
      feed,
      '/live',
      post([{ path: 'post.onAdd', input: { secret: 'hush' }, key: 'a' }]),
    );
    await until(() => expect(tap.of('linefeed.end')).toHaveLength(1));
    expect(tap.frames.slice(1)).toEqual([
      {
        event: 'linefeed.subscribed',
        id: undefined,
        data: { address: 'post.onAdd~a', event: 'post.onAdd~a', key: 'a' },
      },
      { event: 'post.onAdd~a', id: '~1', data: { id: '1', data: { length: 4 } } },
      { event: 'post.onAdd~a', id: '~1', data: 'untracked' },
      { event: 'linefeed.end', id: '~!', data: { address: 'post.onAdd~a', key: 'a' } },
    ]);
    expect(tap.text).not.toContain('hush');
    await feed.close();
  });

  it('a plain GET opens a subscription by its path', async () => {
    const router = t.router({
      echo: t.procedure.input(z.object({ n: z.number() })).subscription(async function* ({ input }) {
        yield input.n;
      }),
    });
    const feed = fromRouter(router, { path: '/stream', createContext: () => ({}) });
    const response = await feed.handle(
      new Request(`http://localhost/stream/echo?input=${encodeURIComponent('{"n":7}')}&token=x`),
    );
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('event: echo\ndata: 7\n');
    await feed.close();
  });

  it('a subscription that yields undefined sends null', async () => {
    const router = t.router({
      nothing: t.procedure.subscription(async function* () {
        yield undefined;
      }),
    });
    const feed = fromRouter(router, { createContext: () => ({}) });
    const tap = await open(feed, '/live/nothing');
    await until(() => expect(tap.payloads).toEqual([null]));
    await feed.close();
  });

  it('a subscription that is an observable is delivered, and unsubscribed when the client leaves', async () => {
    const teardown = vi.fn<() => void>();
    const router = t.router({
      ticks: t.procedure.subscription(() =>
        observable<number>((observer) => {
          observer.next(1);
          observer.next(2);
          return teardown;
        }),
      ),
    });
    const feed = fromRouter(router, { createContext: () => ({}) });
    const tap = await open(feed, '/live/ticks');
    await until(() => expect(tap.payloads).toEqual([1, 2]));
    expect(teardown).not.toHaveBeenCalled();
    tap.leave();
    await until(() => expect(teardown).toHaveBeenCalledTimes(1));
    await feed.close();
  });

  it('a lazy router is loaded by its first subscription', async () => {
    const { lazy } = await import('@trpc/server');
    const load = vi.fn<() => Promise<typeof slow>>(async () => slow);
    const slow = t.router({
      tick: t.procedure.subscription(async function* () {
        yield 'late';
      }),
    });
    const feed = fromRouter(t.router({ slow: lazy(load) }), { createContext: () => ({}) });
    expect(load).not.toHaveBeenCalled();
    const tap = await open(feed, '/live/slow.tick');
    await until(() => expect(tap.payloads).toEqual(['late']));
    await feed.close();
  });

  it('a subscription aborts its signal and runs its finally block when the client leaves, idle or busy', async () => {
    const emitter = new EventEmitter();
    const ended: string[] = [];
    const router = t.router({
      events: t.procedure.subscription(async function* ({ signal }) {
        try {
          for await (const [value] of on(emitter, 'value', { signal })) yield value as number;
        } finally {
          ended.push('events');
        }
      }),
      hot: t.procedure.subscription(async function* () {
        try {
          for (let n = 0; ; n += 1) yield n;
        } finally {
          ended.push('hot');
        }
      }),
    });
    const feed = fromRouter(router, { createContext: () => ({}) });
    const idle = await open(feed, '/live/events');
    await until(() => expect(emitter.listenerCount('value')).toBe(1));
    emitter.emit('value', 1);
    await until(() => expect(idle.payloads).toEqual([1]));
    idle.leave();
    await until(() => expect(ended).toEqual(['events']));
    expect(emitter.listenerCount('value')).toBe(0);
    const hot = await open(feed, '/live/hot');
    await until(() => expect(hot.writes.length).toBeGreaterThan(10));
    hot.leave();
    await until(() => expect(ended).toEqual(['events', 'hot']));
    await feed.close();
  });
});

describe('createContext', () => {
  it('createContext runs once for each subscription, with the request that added it', async () => {
    const seen: Array<
      Pick<SubscriptionContextOptions, 'lastEventId'> & { auth: string | null; path: string; params: unknown }
    > = [];
    const router = t.router({
      who: t.procedure.input(z.unknown()).subscription(async function* ({ ctx }) {
        yield tracked('1', ctx.user);
        await new Promise(() => undefined);
      }),
    });
    const feed = fromRouter(router, {
      createContext({ req, info, lastEventId }) {
        const auth = req.headers.get('authorization');
        seen.push({ auth, path: info.calls[0]!.path, params: info.connectionParams, lastEventId });
        return { user: auth ?? undefined };
      },
    });
    const params = encodeURIComponent(JSON.stringify({ tenant: 'x' }));
    const tap = await open(feed, `/live?connectionParams=${params}`, {
      ...post([
        { path: 'who', key: 'a' },
        { path: 'who', key: 'b', from: '~7' },
      ]),
      headers: { authorization: 'ann' },
    });
    const { connection } = tap.of('linefeed.hello')[0]!.data as { connection: string };
    await feed.handle(
      new Request('http://localhost/live', {
        method: 'POST',
        headers: { authorization: 'bob' },
        body: JSON.stringify({ connection, n: 1, add: [{ address: 'who', key: 'c' }] }),
      }),
    );
    await until(() => expect(tap.payloads).toHaveLength(3));
    expect(tap.payloads).toEqual([
      { id: '1', data: 'ann' },
      { id: '1', data: 'ann' },
      { id: '1', data: 'bob' },
    ]);
    expect(seen).toEqual([
      { auth: 'ann', path: 'who', params: { tenant: 'x' }, lastEventId: undefined },
      { auth: 'ann', path: 'who', params: { tenant: 'x' }, lastEventId: '7' },
      { auth: 'bob', path: 'who', params: null, lastEventId: undefined },
    ]);
    tap.leave();
    await feed.close();
  });

  it('connection params that are not an object of strings are refused', async () => {
    const feed = fromRouter(t.router({}), { createContext: () => ({}) });
    const response = await feed.handle(
      new Request('http://localhost/live/x?connectionParams=%7B%22a%22%3A1%7D'),
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'bad_request',
      title: 'Invalid connection params shape',
    });
    await feed.close();
  });
});

describe('createContext that throws', () => {
  it('a subscription is refused in the error shape of the router if createContext throws', async () => {
    const router = t.router({ who: t.procedure.subscription(async function* () {}) });
    const feed = fromRouter(router, {
      createContext() {
        throw new TRPCError({ code: 'UNAUTHORIZED', message: 'no session' });
      },
    });
    const tap = await open(feed, '/live', post([{ path: 'who', key: 'a' }]));
    await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
    expect(tap.of('linefeed.error')[0]).toMatchObject({
      id: '~!',
      data: {
        code: 'unauthorized',
        message: 'no session',
        detail: { data: { code: 'UNAUTHORIZED', httpStatus: 401 } },
      },
    });
    tap.leave();
    await feed.close();
  });
});

describe('the last event id', () => {
  const received: unknown[] = [];
  const keep = async function* ({ input }: { input: unknown }): AsyncGenerator<unknown, void, void> {
    received.push(input);
    yield tracked('9', 'go on');
  };
  const router = t.router({
    declared: t.procedure
      .input(z.object({ lastEventId: z.string().nullish(), room: z.string() }))
      .subscription(keep),
    optional: t.procedure
      .input(z.object({ lastEventId: z.string().nullish() }).optional())
      .subscription(keep),
    strict: t.procedure.input(z.strictObject({ room: z.string() })).subscription(keep),
    text: t.procedure.input(z.string()).subscription(keep),
    list: t.procedure.input(z.array(z.number())).subscription(keep),
    none: t.procedure.subscription(keep),
    custom: t.procedure
      .input((value: unknown) => {
        if ((value as { lastEventId?: string }).lastEventId === undefined) return 'without';
        return 'with';
      })
      .subscription(keep),
  });

  it.each([
    ['declared', { room: 'a' }, { room: 'a', lastEventId: '7' }],
    ['optional', undefined, { lastEventId: '7' }],
    ['strict', { room: 'a' }, { room: 'a' }],
    ['text', 'a', 'a'],
    ['list', [1], [1]],
    ['none', undefined, undefined],
    ['custom', { a: 1 }, 'with'],
  ] as const)(
    'the last event id is added to the input of "%s" only if it is an object and its parser accepts it',
    async (path, input, expected) => {
      received.length = 0;
      const feed = fromRouter(router, { createContext: () => ({}) });
      const tap = await open(feed, '/live', post([{ path, input, key: 'a', from: '~7' }]));
      await until(() => expect(tap.of('linefeed.end')).toHaveLength(1));
      expect(received).toEqual([expected]);
      await feed.close();
    },
  );
});

describe('errors of a router', () => {
  const failing = t.router({
    denied: t.procedure
      .use(() => {
        throw new TRPCError({ code: 'UNAUTHORIZED', message: 'sign in' });
      })
      .subscription(async function* () {
        yield 1;
      }),
    parsed: t.procedure.input(z.object({ n: z.number() })).subscription(async function* () {
      yield 1;
    }),
    breaks: t.procedure.subscription(async function* () {
      yield 1;
      throw new Error('boom');
    }),
    output: t.procedure
      .output(
        z.custom<AsyncIterable<number>>().transform(async function* (values) {
          for await (const value of values) yield z.number().parse(value);
        }),
      )
      .subscription(async function* () {
        yield 'no number' as unknown as number;
      }),
    query: t.procedure.query(() => 1),
  });

  it.each([
    [
      'denied',
      undefined,
      { code: 'unauthorized', message: 'sign in', retryable: false },
      'UNAUTHORIZED',
      -32001,
    ],
    ['parsed', { n: 'x' }, { code: 'bad_request', retryable: false }, 'BAD_REQUEST', -32600],
    [
      'breaks',
      undefined,
      { code: 'source_failed', message: 'boom', retryable: true },
      'INTERNAL_SERVER_ERROR',
      -32603,
    ],
    ['query', undefined, { code: 'not_found', retryable: false }, 'NOT_FOUND', -32004],
    ['nonsense', undefined, { code: 'not_found', retryable: false }, 'NOT_FOUND', -32004],
  ] as const)(
    'an error of "%s" is an in-band frame in the error shape of the router',
    async (path, input, error, name, number) => {
      const onError = vi.fn<(options: { error: TRPCError; path: string; type: string }) => void>();
      const feed = fromRouter(failing, { createContext: () => ({}), onError });
      const tap = await open(feed, '/live', post([{ path, input, key: 'a' }]));
      await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
      expect(tap.of('linefeed.error')[0]!.data).toMatchObject({
        address: `${path}~a`,
        key: 'a',
        ...error,
        detail: { code: number, data: { code: name, path } },
      });
      expect(onError).toHaveBeenCalledTimes(1);
      expect(onError.mock.calls[0]![0]).toMatchObject({ error: { code: name }, path, type: 'subscription' });
      await feed.close();
    },
  );

  it('an error of one subscription does not affect the others', async () => {
    const router = t.router({
      bad: t.procedure.subscription(() => {
        throw new TRPCError({ code: 'FORBIDDEN' });
      }),
      good: t.procedure.subscription(async function* () {
        yield 'fine';
        await new Promise(() => undefined);
      }),
    });
    const feed = fromRouter(router, { createContext: () => ({}) });
    const tap = await open(
      feed,
      '/live',
      post([
        { path: 'bad', key: 'a' },
        { path: 'good', key: 'b' },
      ]),
    );
    await until(() => expect(tap.payloads).toEqual(['fine']));
    expect(tap.of('linefeed.error')).toHaveLength(1);
    expect(tap.closed).toBe(false);
    tap.leave();
    await feed.close();
  });

  it('errors pass through the error formatter and the transformer of the router', async () => {
    const fancy = initTRPC.create({
      isDev: false,
      transformer: superjson,
      errorFormatter: ({ shape, error }) => ({
        ...shape,
        data: { ...shape.data, at: new Date(0), why: error.cause?.message },
      }),
    });
    const router = fancy.router({
      breaks: fancy.procedure.input(z.date()).subscription(async function* ({ input }) {
        yield { at: input };
        throw new TRPCError({ code: 'CONFLICT', cause: new Error('twice') });
      }),
    });
    const feed = fromRouter(router, {});
    const input = superjson.serialize(new Date(5));
    const tap = await open(feed, '/live', post([{ path: 'breaks', input, key: 'a' }]));
    await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
    expect(superjson.deserialize(tap.payloads[0] as never)).toEqual({ at: new Date(5) });
    const { detail } = tap.of('linefeed.error')[0]!.data as { detail: never };
    expect(superjson.deserialize(detail)).toMatchObject({
      data: { code: 'CONFLICT', at: new Date(0), why: 'twice' },
    });
    await feed.close();
  });

  it('a yield that the output schema refuses is an INTERNAL_SERVER_ERROR', async () => {
    const feed = fromRouter(failing, { createContext: () => ({}) });
    const tap = await open(feed, '/live/output');
    await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
    expect(tap.of('linefeed.error')[0]!.data).toMatchObject({
      detail: { code: -32603, message: expect.stringContaining('expected number') },
    });
    await feed.close();
  });

  it('the error of a payload that is too large names the limit', async () => {
    const router = t.router({
      large: t.procedure.subscription(async function* () {
        yield 'x'.repeat(2_000);
      }),
    });
    const errors = vi.spyOn(console, 'error').mockReturnValue();
    const feed = fromRouter(router, { createContext: () => ({}), maxPayloadBytes: 1_000 });
    const tap = await open(feed, '/live/large');
    await until(() => expect(tap.of('linefeed.error')).toHaveLength(1));
    expect(String(errors.mock.calls[0]![1])).toContain('maxPayloadBytes (1000)');
    await feed.close();
  });

  it('a path that cannot be an event name gets 404', async () => {
    const feed = fromRouter(t.router({}), { createContext: () => ({}) });
    for (const path of ['a%0Ab', 'linefeed.hello', 'a~b', 'a%20b']) {
      expect((await feed.handle(new Request(`http://localhost/live/${path}`))).status).toBe(404);
    }
    await feed.close();
  });
});
