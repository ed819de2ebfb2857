/** A subscription over linefeedLink: the behaviours that tRPC's own tests of its link check, and a few more. */
import { EventEmitter, on } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { retryLink } from '@trpc/client';
import { initTRPC, tracked, TRPCError, type AnyTRPCRouter } from '@trpc/server';
import { observable } from '@trpc/server/observable';
import superjson from 'superjson';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import * as z from 'zod';
import { pass, record, serve as serveRouter, until, type Served } from './kit.ts';

const t = initTRPC.context<{ user?: string }>().create({ isDev: false });

const open: Array<{ close(): Promise<void> }> = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function serve<Router extends AnyTRPCRouter>(
  router: Router,
  options: Parameters<typeof serveRouter<Router>>[1] = {},
): Promise<Served<Router>> {
  const served = await serveRouter(router, options);
  open.push(served);
  return served;
}

/** Counts up from the last id, a step each time `next` is emitted. */
function createCounter() {
  const emitter = new EventEmitter();
  const aborted: number[] = [];
  let runs = 0;
  const router = t.router({
    count: t.procedure
      .input(z.object({ lastEventId: z.string().nullish() }).optional())
      .subscription(async function* ({ input, signal }) {
        const run = (runs += 1);
        try {
          let n = Number(input?.lastEventId ?? 0);
          yield tracked(String((n += 1)), n);
          for await (const _ of on(emitter, 'next', { signal })) yield tracked(String((n += 1)), n);
        } finally {
          aborted.push(run);
        }
      }),
  });
  return {
    router,
    emitter,
    aborted,
    get runs() {
      return runs;
    },
  };
}

const numbers = (values: ReadonlyArray<{ data: number }>): number[] => values.map(({ data }) => data);

describe('a subscription', () => {
  it('a subscription gets yielded values in order; unsubscribe aborts it on the server, removes its listeners, and is no error', async () => {
    const emitter = new EventEmitter();
    const onError = vi.fn<() => void>();
    const onAbort = vi.fn<() => void>();
    const router = t.router({
      items: t.procedure.subscription(async function* ({ signal }) {
        signal!.addEventListener('abort', onAbort);
        for await (const [value] of on(emitter, 'item', { signal: signal! })) yield value as number;
      }),
    });
    const served = await serve(router, { onError });
    const { log, callbacks } = record<number>();
    const subscription = served.ours().items.subscribe(undefined, callbacks);
    await until(() => expect(emitter.listenerCount('item')).toBe(1));
    for (const n of [1, 2, 3]) emitter.emit('item', n);
    await until(() => expect(log.data).toEqual([1, 2, 3]));
    expect(onAbort).not.toHaveBeenCalled();
    subscription.unsubscribe();
    await until(() => expect(onAbort).toHaveBeenCalledTimes(1));
    await until(() => expect(emitter.listenerCount('item')).toBe(0));
    expect(onError).not.toHaveBeenCalled();
    expect(log).toMatchObject({
      errors: [],
      calls: ['started', 'complete'],
      states: ['connecting', 'pending'],
    });
  });

  it('a subscription that fails with a plain Error runs again with a new context, and the state has the cause', async () => {
    let runs = 0;
    const createContext = vi.fn<() => object>(() => ({}));
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        runs += 1;
        yield runs * 10 + 1;
        if (runs === 1) throw new Error('boom');
        await new Promise(() => undefined);
      }),
    });
    const served = await serve(router, { createContext });
    const { log, callbacks } = record<number>();
    const subscription = served.ours().items.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toEqual([11, 21]));
    expect(createContext).toHaveBeenCalledTimes(2);
    expect(log.states).toEqual(['connecting', 'pending', 'connecting (boom)', 'pending']);
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('a subscription whose yield fails the output schema reports one server error with the message of the schema', async () => {
    const onError = vi.fn<(options: { error: Error }) => void>();
    const router = t.router({
      items: t.procedure
        .output(
          z.custom<AsyncIterable<number>>().transform(async function* (values) {
            for await (const value of values) yield z.number().parse(value);
          }),
        )
        .subscription(async function* () {
          yield 1;
          yield 'two' as unknown as number;
          await new Promise(() => undefined);
        }),
    });
    const served = await serve(router, { onError });
    const { log, callbacks } = record<number>();
    const subscription = served.ours().items.subscribe(undefined, callbacks);
    await until(() => expect(onError).toHaveBeenCalled());
    expect(onError.mock.calls[0]![0].error).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
    expect(onError.mock.calls[0]![0].error.message).toContain('expected number');
    await until(() => expect(log.states.at(2)).toContain('expected number'));
    subscription.unsubscribe();
    expect(log.data[0]).toBe(1);
  });

  it('a subscription resumes after the last tracked id when its connection is cut', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const { log, callbacks } = record<{ id: string; data: number }>();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toEqual([{ id: '1', data: 1 }]));
    counter.emitter.emit('next');
    await until(() => expect(numbers(log.data)).toEqual([1, 2]));
    served.cut();
    await until(() => expect(numbers(log.data)).toEqual([1, 2, 3]));
    expect(log.states).toEqual([
      'connecting',
      'pending',
      expect.stringMatching(/^connecting \(.+\)$/),
      'pending',
    ]);
    expect(log.errors).toEqual([]);
    await until(() => expect(counter.aborted).toEqual([1]));
    subscription.unsubscribe();
    await until(() => expect(counter.aborted).toEqual([1, 2]));
  });

  it('a subscription that the server ends is stopped, complete and idle, without an error or another request', async () => {
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        yield 1;
        yield 2;
      }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<number>();
    served.ours().items.subscribe(undefined, callbacks);
    await until(() => expect(log.calls).toEqual(['started', 'stopped', 'complete']));
    expect(log).toMatchObject({ data: [1, 2], errors: [], states: ['connecting', 'pending', 'idle'] });
    const { length } = served.requests;
    await pass(200);
    expect(served.requests).toHaveLength(length);
  });

  it('a subscription of tracked values delivers typed id and data, and unsubscribe runs the finally block', async () => {
    const onFinally = vi.fn<() => void>();
    const router = t.router({
      items: t.procedure.subscription(async function* ({ signal }) {
        try {
          yield tracked('a', { n: 1 });
          await new Promise((resolve) => signal!.addEventListener('abort', resolve));
        } finally {
          onFinally();
        }
      }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<{ id: string; data: { n: number } }>();
    const subscription = served.ours().items.subscribe(undefined, {
      ...callbacks,
      onData(value) {
        expectTypeOf(value).toEqualTypeOf<{ id: string; data: { n: number } }>();
        callbacks.onData(value);
      },
    });
    await until(() => expect(log.data).toEqual([{ id: 'a', data: { n: 1 } }]));
    subscription.unsubscribe();
    await until(() => expect(onFinally).toHaveBeenCalledTimes(1));
  });

  it('a subscription delivers untracked values without an id and tracked values with an id', async () => {
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        yield tracked('a', 1);
        yield 2;
        yield tracked('b', 3);
      }),
    });
    const served = await serve(router);
    const { log, callbacks } = record();
    served.ours().items.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toEqual([{ id: 'a', data: 1 }, 2, { id: 'b', data: 3 }]));
  });

  it('a generator that never waits does not block another subscription', async () => {
    const onFinally = vi.fn<() => void>();
    const router = t.router({
      hot: t.procedure.subscription(async function* () {
        try {
          for (let n = 0; ; n += 1) yield n;
        } finally {
          onFinally();
        }
      }),
      calm: t.procedure.subscription(async function* () {
        yield 'calm';
      }),
    });
    const served = await serve(router);
    const client = served.ours();
    const hot = record<number>();
    const subscription = client.hot.subscribe(undefined, hot.callbacks);
    await until(() => expect(hot.log.data.length).toBeGreaterThan(100));
    const calm = record<string>();
    client.calm.subscribe(undefined, calm.callbacks);
    await until(() => expect(calm.log.data).toEqual(['calm']), 5_000);
    subscription.unsubscribe();
    await until(() => expect(onFinally).toHaveBeenCalledTimes(1), 5_000);
  });

  it('a subscription gives onStarted the connection state in the context', async () => {
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        yield 1;
        await new Promise(() => undefined);
      }),
    });
    const served = await serve(router);
    const contexts: unknown[] = [];
    const subscription = served.ours().items.subscribe(undefined, {
      onStarted: ({ context }) => contexts.push(context),
    });
    await until(() => expect(contexts).toHaveLength(1));
    const { connection } = contexts[0] as { connection: { getSnapshot(): { state: string } } };
    expect(connection.getSnapshot().state).toBe('connected');
    subscription.unsubscribe();
  });

  it('a subscription of a polling generator delivers JSON, typed as JSON', async () => {
    const at = new Date(0);
    const router = t.router({
      posts: t.procedure
        .input(z.object({ lastEventId: z.coerce.number().nullish() }))
        .subscription(async function* ({ input }) {
          for (let id = (input.lastEventId ?? 0) + 1; id <= 3; id += 1) {
            yield tracked(String(id), { id, at });
            await pass(1);
          }
        }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<{ id: string; data: { id: number; at: string } }>();
    served.ours().posts.subscribe(
      { lastEventId: 1 },
      {
        ...callbacks,
        onData(value) {
          expectTypeOf(value.data).toEqualTypeOf<{ id: number; at: string }>();
          callbacks.onData(value);
        },
      },
    );
    await until(() => expect(log.calls).toContain('complete'));
    expect(log.data.map(({ data }) => data)).toEqual([2, 3].map((id) => ({ id, at: at.toISOString() })));
  });

  it('a subscription without callbacks is an async iterable, and break ends it on the server', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const seen: number[] = [];
    for await (const { data } of served.ours().count.subscribe()) {
      seen.push(data);
      if (data === 3) break;
      counter.emitter.emit('next');
    }
    expect(seen).toEqual([1, 2, 3]);
    await until(() => expect(counter.aborted).toEqual([1]));
  });

  it('a subscription ends when its signal is aborted', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const { log, callbacks } = record();
    const controller = new AbortController();
    served.ours().count.subscribe(undefined, { ...callbacks, signal: controller.signal });
    await until(() => expect(log.data).toHaveLength(1));
    controller.abort();
    expect(log.calls).toEqual(['started', 'stopped', 'complete']);
    expect(log.states.at(-1)).toBe('idle');
    await until(() => expect(counter.aborted).toEqual([1]));
    const late = record();
    served.ours().count.subscribe(undefined, { ...late.callbacks, signal: controller.signal });
    expect(late.log.calls).toEqual(['stopped', 'complete']);
  });

  it('a subscription of an observable delivers its values, and unsubscribe runs its teardown', async () => {
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
    const served = await serve(router);
    const { log, callbacks } = record<number>();
    const subscription = served.ours().ticks.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toEqual([1, 2]));
    subscription.unsubscribe();
    await until(() => expect(teardown).toHaveBeenCalledTimes(1));
  });

  it('a subscription whose callback throws ends with that error', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const { log, callbacks } = record();
    served.ours().count.subscribe(undefined, {
      ...callbacks,
      onData() {
        throw new Error('mine');
      },
    });
    await until(() => expect(log.errors.map(({ message }) => message)).toEqual(['mine']));
    await until(() => expect(counter.aborted).toEqual([1]));
  });

  it('a subscription sends an input of 20,000 characters by POST', async () => {
    const router = t.router({
      length: t.procedure.input(z.object({ text: z.string() })).subscription(async function* ({ input }) {
        yield input.text.length;
      }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<number>();
    served.ours().length.subscribe({ text: 'ü'.repeat(3_000) + 'x'.repeat(20_000) }, callbacks);
    await until(() => expect(log.data).toEqual([23_000]));
    expect(served.requests).toEqual(['POST /live']);
  });

  it('a subscription that the input parser or a middleware refuses gets one terminal error in the shape of the router', async () => {
    const router = t.router({
      parsed: t.procedure.input(z.object({ n: z.number() })).subscription(async function* () {
        yield 1;
      }),
      denied: t.procedure
        .use(() => {
          throw new TRPCError({ code: 'FORBIDDEN', message: 'not you' });
        })
        .subscription(async function* () {
          yield 1;
        }),
    });
    const served = await serve(router);
    const client = served.ours();
    const parsed = record();
    client.parsed.subscribe({ n: 'x' } as never, parsed.callbacks);
    const denied = record();
    client.denied.subscribe(undefined, denied.callbacks);
    await until(() => expect([...parsed.log.errors, ...denied.log.errors]).toHaveLength(2));
    expect(parsed.log.errors[0]!.data).toMatchObject({
      code: 'BAD_REQUEST',
      httpStatus: 400,
      path: 'parsed',
    });
    expect(denied.log.errors[0]).toMatchObject({
      message: 'not you',
      data: { code: 'FORBIDDEN', httpStatus: 403 },
    });
  });
});

describe('one connection', () => {
  it('one connection carries all subscriptions of a client, and each of two equal ones has its own run', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const client = served.ours();
    const logs = Array.from({ length: 5 }, () => record<{ data: number }>());
    const subscriptions = logs.map(({ callbacks }) => client.count.subscribe(undefined, callbacks));
    await until(() => expect(logs.map(({ log }) => log.data.length)).toEqual([1, 1, 1, 1, 1]));
    expect(counter.runs).toBe(5);
    expect(served.requests).toHaveLength(1);
    expect(served.feed.stats().connections).toBe(1);
    const late = record<{ data: number }>();
    subscriptions.push(client.count.subscribe(undefined, late.callbacks));
    await until(() => expect(late.log.data).toHaveLength(1));
    expect(served.feed.stats().connections).toBe(1);
    subscriptions[0]!.unsubscribe();
    await until(() => expect(counter.aborted).toEqual([1]));
    counter.emitter.emit('next');
    await until(() => expect(numbers(logs[4]!.log.data)).toEqual([1, 2]));
    expect(numbers(logs[0]!.log.data)).toEqual([1]);
    for (const subscription of subscriptions) subscription.unsubscribe();
    await until(() => expect(served.feed.stats().connections).toBe(0));
  });

  it('a subscription delivers 1 to 20 in order, each once, across a restart of the server', async () => {
    const { router } = createPaced(20);
    const first = await serveRouter(router);
    const { log, callbacks } = record<{ data: number }>();
    first.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.data.length).toBeGreaterThan(5), 5_000);
    const port = Number(new URL(first.origin).port);
    await first.close();
    await serve(router, { port });
    await until(() => expect(log.calls.at(-1)).toBe('complete'), 10_000);
    expect(numbers(log.data)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(log.errors).toEqual([]);
  });
});

function createPaced(last: number) {
  const router = t.router({
    paced: t.procedure
      .input(z.object({ lastEventId: z.string().nullish() }).optional())
      .subscription(async function* ({ input }) {
        for (let n = Number(input?.lastEventId ?? 0) + 1; n <= last; n += 1) {
          yield tracked(String(n), n);
          await pass(10);
        }
      }),
  });
  return { router };
}

describe('createContext', () => {
  const router = t.router({
    who: t.procedure.subscription(async function* ({ ctx }) {
      yield tracked('1', ctx.user ?? 'nobody');
      await new Promise(() => undefined);
    }),
  });
  const createContext: NonNullable<Parameters<typeof serveRouter>[1]>['createContext'] = ({
    headers,
    connectionParams,
  }) => ({
    user: headers.get('authorization') ?? connectionParams?.['token'] ?? undefined,
  });

  it.each([
    ['absent', {}, 'nobody'],
    ['given', { connectionParams: { token: 'ann' } }, 'ann'],
    ['returned by a function', { connectionParams: async () => ({ token: 'bob' }) }, 'bob'],
  ] as const)('createContext gets connection params that are %s', async (_, options, expected) => {
    const served = await serve(router, { createContext });
    const { log, callbacks } = record<{ data: string }>();
    const client = served.ours(options);
    const first = client.who.subscribe(undefined, callbacks);
    await until(() => expect(log.data[0]?.data).toBe(expected));
    const late = record<{ data: string }>();
    const second = client.who.subscribe(undefined, late.callbacks);
    await until(() => expect(late.log.data[0]?.data).toBe(expected));
    first.unsubscribe();
    second.unsubscribe();
  });

  it.each([
    ['absent', {}, 'nobody'],
    ['given', { headers: { authorization: 'ann' } }, 'ann'],
    ['returned by a function', { headers: async () => ({ authorization: 'bob' }) }, 'bob'],
  ] as const)('createContext gets headers that are %s', async (_, options, expected) => {
    const served = await serve(router, { createContext });
    const { log, callbacks } = record<{ data: string }>();
    const subscription = served.ours(options).who.subscribe(undefined, callbacks);
    await until(() => expect(log.data[0]?.data).toBe(expected));
    subscription.unsubscribe();
  });

  it('createContext gets new headers from the headers function on every reconnect', async () => {
    const served = await serve(router, { createContext });
    let asked = 0;
    const { log, callbacks } = record<{ data: string }>();
    const subscription = served
      .ours({ headers: () => ({ authorization: `token ${(asked += 1)}` }) })
      .who.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toHaveLength(1));
    served.cut();
    await until(() => expect(log.data).toHaveLength(2));
    expect(log.data[0]!.data).not.toBe(log.data[1]!.data);
    subscription.unsubscribe();
  });

  it('retryLink recovers from a refused stale header, and no value is delivered twice', async () => {
    let valid = 'first';
    const counter = t.router({
      count: t.procedure
        .input(z.object({ lastEventId: z.string().nullish() }).optional())
        .use(({ ctx, next }) => {
          if (ctx.user !== valid) throw new TRPCError({ code: 'UNAUTHORIZED' });
          return next();
        })
        .subscription(async function* ({ input }) {
          const n = Number(input?.lastEventId ?? 0) + 1;
          yield tracked(String(n), n);
          await new Promise(() => undefined);
        }),
    });
    const served = await serve(counter, { createContext });
    let token = 'first';
    const { log, callbacks } = record<{ data: number }>();
    const client = served.ours({ headers: () => ({ authorization: token }) }, [
      retryLink({
        retry({ error }) {
          token = 'second';
          return error.data?.code === 'UNAUTHORIZED';
        },
      }),
    ]);
    const subscription = client.count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    valid = 'second';
    served.cut();
    await until(() => expect(numbers(log.data)).toEqual([1, 2]));
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });
});

describe('transformers', () => {
  it('a transformer carries values that JSON cannot, in inputs, outputs and errors', async () => {
    const fancy = initTRPC.create({
      isDev: false,
      transformer: superjson,
      errorFormatter: ({ shape }) => ({ ...shape, data: { ...shape.data, at: new Date(7) } }),
    });
    const router = fancy.router({
      echo: fancy.procedure
        .input(z.object({ at: z.date(), tags: z.set(z.string()) }))
        .subscription(async function* ({ input }) {
          yield tracked('1', input);
          throw new TRPCError({ code: 'CONFLICT' });
        }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<{ id: string; data: { at: Date; tags: Set<string> } }>();
    served
      .ours({ transformer: superjson })
      .echo.subscribe({ at: new Date(5), tags: new Set(['a']) }, callbacks);
    await until(() => expect(log.errors).toHaveLength(1));
    expect(log.data).toEqual([{ id: '1', data: { at: new Date(5), tags: new Set(['a']) } }]);
    expect(log.errors[0]!.data).toMatchObject({ code: 'CONFLICT', at: new Date(7) });
  });

  it('a transformer may differ for inputs and outputs', async () => {
    const transformer = {
      input: {
        serialize: (value: unknown) => [JSON.stringify(value)],
        deserialize: ([text]: [string]) => JSON.parse(text) as unknown,
      },
      output: superjson,
    };
    const both = initTRPC.create({ transformer });
    const router = both.router({
      echo: both.procedure.input(z.object({ n: z.bigint().or(z.number()) })).subscription(async function* ({
        input,
      }) {
        yield BigInt(input.n);
      }),
    });
    const served = await serve(router);
    const { log, callbacks } = record<bigint>();
    served.ours({ transformer }).echo.subscribe({ n: 7 }, callbacks);
    await until(() => expect(log.data).toEqual([7n]));
  });
});

describe('liveness', () => {
  it('a subscription on a silent connection reconnects and resumes after the last id', async () => {
    const counter = createCounter();
    const served = await serve(counter.router, { feed: { pingMs: 50, timeoutMs: 300 } });
    const { log, callbacks } = record<{ data: number }>();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toHaveLength(1));
    served.silence();
    await until(() => expect(numbers(log.data)).toEqual([1, 2]), 5_000);
    expect(log.states[2]).toMatch(/^connecting \(Nothing came for /);
    subscription.unsubscribe();
  });

  it('pings keep a connection open when a generator yields nothing', async () => {
    const counter = createCounter();
    const served = await serve(counter.router, { feed: { pingMs: 50, timeoutMs: 1_000 } });
    const { log, callbacks } = record();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toHaveLength(1));
    await pass(1_500);
    expect(log.states).toEqual(['connecting', 'pending']);
    expect(counter.runs).toBe(1);
    subscription.unsubscribe();
  });
});

describe('maxDurationMs', () => {
  it('maxDurationMs aborts a generator that never yields, and the client reconnects', async () => {
    const aborted = vi.fn<() => void>();
    let runs = 0;
    const router = t.router({
      // oxlint-disable-next-line require-yield -- that is the point
      never: t.procedure.subscription(async function* ({ signal }): AsyncGenerator<number, void, void> {
        runs += 1;
        await new Promise((resolve) => signal!.addEventListener('abort', resolve));
        aborted();
      }),
    });
    const served = await serve(router, { feed: { maxDurationMs: 300, pingMs: 100 } });
    const { log, callbacks } = record();
    const subscription = served.ours().never.subscribe(undefined, callbacks);
    await until(() => expect(aborted).toHaveBeenCalled(), 3_000);
    await until(() => expect(runs).toBeGreaterThan(1), 3_000);
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('maxDurationMs causes no error and no loss: the client reconnects and resumes after the last id', async () => {
    const { router } = createPaced(60);
    const served = await serve(router, { feed: { maxDurationMs: 200, pingMs: 50 } });
    const { log, callbacks } = record<{ data: number }>();
    served.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.calls.at(-1)).toBe('complete'), 10_000);
    expect(numbers(log.data)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect(served.requests.length).toBeGreaterThan(2);
    expect(log.errors).toEqual([]);
  });

  it('maxDurationMs keeps no connection open after every subscription has ended', async () => {
    const { router } = createPaced(2);
    const served = await serve(router, { feed: { maxDurationMs: 60_000 } });
    const { log, callbacks } = record();
    served.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.calls.at(-1)).toBe('complete'));
    await until(() => expect(served.feed.stats().connections).toBe(0));
  });
});

describe('memory', () => {
  it('the server keeps no reference to a delivered value', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const refs: Array<WeakRef<object>> = [];
    // Not in the generator, whose own frame would hold it.
    const make = (n: number): { n: number } => {
      const value = { n };
      refs.push(new WeakRef(value));
      return value;
    };
    let go!: () => void;
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        for (let n = 0; n < 3; n += 1) yield make(n);
        await new Promise<void>((resolve) => (go = resolve));
      }),
    });
    const served = await serve(router);
    let count = 0;
    const subscription = served.ours().items.subscribe(undefined, { onData: () => void (count += 1) });
    await until(() => expect(count).toBe(3));
    await until(() => {
      gc();
      expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
    });
    go();
    subscription.unsubscribe();
  });
});
