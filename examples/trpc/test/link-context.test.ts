/** linefeedLink sends more than inputs: headers, connection params, and values of a transformer. */
import { retryLink } from '@trpc/client';
import { initTRPC, tracked, TRPCError } from '@trpc/server';
import superjson from 'superjson';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { record, until, type serve as serveRouter } from './kit.ts';
import { numbers, serve, t } from './routers.ts';

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
    ['no headers and no connection params', {}, 'nobody'],
    ['connection params that are given', { connectionParams: { token: 'ann' } }, 'ann'],
    [
      'connection params that a function returns',
      { connectionParams: async () => ({ token: 'bob' }) },
      'bob',
    ],
    ['headers that are given', { headers: { authorization: 'ann' } }, 'ann'],
    ['headers that a function returns', { headers: async () => ({ authorization: 'bob' }) }, 'bob'],
  ] as const)('createContext gets %s', async (_, options, expected) => {
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
  it('a transformer sends values that JSON cannot represent, in inputs, outputs and errors', async () => {
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
