/** A subscription over linefeedLink: the behaviours that tRPC's own tests of its link check, and a few more. */
import { EventEmitter, on } from 'node:events';
import { tracked, TRPCError } from '@trpc/server';
import { observable } from '@trpc/server/observable';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import * as z from 'zod';
import { pass, record, until } from './kit.ts';
import { createCounter, numbers, serve, t } from './routers.ts';

describe('a subscription', () => {
  it('a subscription gets yielded values in order; unsubscribe aborts it on the server, removes its listeners, and is not an error', async () => {
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
