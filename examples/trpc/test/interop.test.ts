/** With the published packages: both links on one router, and links with the wrong endpoint. */
import { EventEmitter, on } from 'node:events';
import { createTRPCClient, httpBatchLink, splitLink } from '@trpc/client';
import { eventSourceTransport } from '@linefeed/client';
import { linefeedLink } from '@linefeed/client/trpc';
import { toRouter } from '@linefeed/server/trpc';
import { createFeed } from '@linefeed/server';
import { defineChannel } from '@linefeed/shared';
import { EventSource } from 'eventsource';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import { QueryClient } from '@tanstack/react-query';
import { initTRPC, tracked, TRPCError } from '@trpc/server';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { record, serve as serveRouter, until, type Served } from './kit.ts';

const t = initTRPC.create({ isDev: false });
const emitter = new EventEmitter();

const appRouter = t.router({
  hello: t.procedure.query(() => 'hello'),
  room: t.router({
    posts: t.procedure
      .input(z.object({ room: z.string(), lastEventId: z.coerce.number().nullish() }))
      .subscription(async function* ({ input, signal }) {
        let id = input.lastEventId ?? 0;
        yield 'welcome';
        for await (const [text] of on(emitter, input.room, { signal: signal! })) {
          id += 1;
          yield tracked(String(id), { id, text: text as string });
        }
      }),
  }),
  few: t.procedure.input(z.number()).subscription(async function* ({ input }) {
    for (let n = 1; n <= input; n += 1) yield { n, at: new Date(n) };
  }),
  denied: t.procedure.subscription(async function* () {
    yield 1;
    throw new TRPCError({ code: 'FORBIDDEN', message: 'enough' });
  }),
});

let served: Served<typeof appRouter> | undefined;
afterEach(async () => {
  await served?.close();
  served = undefined;
});

describe('both links on one router', () => {
  it('linefeedLink and the stock link deliver the same events', async () => {
    served = await serveRouter(appRouter);
    const ours = record();
    const stock = record();
    const subscriptions = [
      served.ours().room.posts.subscribe({ room: 'a' }, ours.callbacks),
      served.stock().room.posts.subscribe({ room: 'a' }, stock.callbacks),
    ];
    await until(() => expect(emitter.listenerCount('a')).toBe(2));
    for (const text of ['one', 'two', 'three\nlines\r\nand ü']) emitter.emit('a', text);
    await until(() => expect([ours.log.data.length, stock.log.data.length]).toEqual([4, 4]));
    expect(ours.log).toEqual(stock.log);
    for (const subscription of subscriptions) subscription.unsubscribe();
    expect(ours.log).toEqual(stock.log);
    await until(() => expect(emitter.listenerCount('a')).toBe(0));
  });

  it('linefeedLink and the stock link complete alike when the server returns', async () => {
    served = await serveRouter(appRouter);
    const ours = record();
    const stock = record();
    served.ours().few.subscribe(3, ours.callbacks);
    served.stock().few.subscribe(3, stock.callbacks);
    await until(() =>
      expect([ours.log.calls.at(-1), stock.log.calls.at(-1)]).toEqual(['complete', 'complete']),
    );
    expect(ours.log).toEqual(stock.log);
    expect(ours.log.data).toHaveLength(3);
  });

  it('linefeedLink and the stock link report the same error when the procedure throws', async () => {
    served = await serveRouter(appRouter);
    const ours = record();
    const stock = record();
    served.ours().denied.subscribe(undefined, ours.callbacks);
    served.stock().denied.subscribe(undefined, stock.callbacks);
    await until(() => expect([ours.log.errors.length, stock.log.errors.length]).toEqual([1, 1]));
    expect(ours.log.data).toEqual(stock.log.data);
    const [mine, theirs] = [ours.log.errors[0]!, stock.log.errors[0]!];
    expect(mine).toMatchObject({
      message: theirs.message,
      data: theirs.data as object,
      shape: theirs.shape as object,
    });
    expect(mine.constructor).toBe(theirs.constructor);
  });
});

describe('linefeedLink', () => {
  it('linefeedLink works over EventSource, with connection params', async () => {
    const seen: unknown[] = [];
    served = await serveRouter(appRouter, {
      createContext: ({ connectionParams }) => (seen.push(connectionParams), {}),
    });
    const { log, callbacks } = record();
    const transport = eventSourceTransport({
      EventSource: EventSource as unknown as typeof globalThis.EventSource,
    });
    served.ours({ transport, connectionParams: { token: 'a' } }).few.subscribe(3, callbacks);
    await until(() => expect(log.calls).toEqual(['started', 'stopped', 'complete']));
    expect(log.data).toHaveLength(3);
    expect(seen).toEqual([{ token: 'a' }]);
  });

  it('linefeedLink and the stock link read the same topic of a feed and resume after a cut', async () => {
    const feed = createFeed(defineChannel({ notice: z.object({ text: z.string() }) }), {});
    const router = t.router({ live: toRouter(feed) });
    const both = await serveRouter(router);
    const ours = record();
    const stock = record();
    const lastEventId = feed.cursor();
    const subscriptions = [
      both.ours().live.notice.subscribe({ lastEventId }, ours.callbacks),
      both.stock().live.notice.subscribe({ lastEventId }, stock.callbacks),
    ];
    const { cursor: first } = await feed.publish('notice', { text: 'one' });
    await until(() => expect([ours.log.data.length, stock.log.data.length]).toEqual([1, 1]));
    both.cut();
    const { cursor: second } = await feed.publish('notice', { text: 'two' });
    const expected = [
      { id: first, data: { text: 'one' } },
      { id: second, data: { text: 'two' } },
    ];
    await until(() => expect(ours.log.data).toEqual(expected), 5_000);
    await until(() => expect(stock.log.data).toEqual(expected), 5_000);
    for (const subscription of subscriptions) subscription.unsubscribe();
    await feed.close();
    await both.close();
  });
});

describe('a tRPC client with linefeedLink', () => {
  it('a tRPC client sends queries over its own link and subscriptions over linefeedLink', async () => {
    served = await serveRouter(appRouter);
    const client = createTRPCClient<typeof appRouter>({
      links: [
        splitLink({
          condition: ({ type }) => type === 'subscription',
          true: linefeedLink({ url: `${served.origin}/live` }),
          false: httpBatchLink({ url: `${served.origin}/trpc` }),
        }),
      ],
    });
    expect(await client.hello.query()).toBe('hello');
    const seen: number[] = [];
    for await (const { n } of client.few.subscribe(2)) seen.push(n);
    expect(seen).toEqual([1, 2]);
  });

  it('linefeedLink rejects a query with an error that names it', async () => {
    served = await serveRouter(appRouter);
    await expect(served.ours().hello.query()).rejects.toThrow(
      /^linefeedLink only supports subscriptions, and hello is a query/,
    );
  });

  it('subscriptionOptions of tanstack-react-query subscribe over linefeedLink', async () => {
    served = await serveRouter(appRouter);
    const trpc = createTRPCOptionsProxy<typeof appRouter>({
      client: served.ours(),
      queryClient: new QueryClient(),
    });
    const data: unknown[] = [];
    const ended = new Promise<void>((resolve) => {
      trpc.few.subscriptionOptions(2).subscribe({
        onStarted: () => undefined,
        onData: (value) => data.push(value),
        onError: () => undefined,
        onConnectionStateChange: ({ state }) => state === 'idle' && resolve(),
      });
    });
    await ended;
    expect(data).toEqual([
      { n: 1, at: new Date(1).toISOString() },
      { n: 2, at: new Date(2).toISOString() },
    ]);
  });
});

describe("linefeedLink with the URL of tRPC's own handler", () => {
  it.each(['/trpc', '/trpc/few?input=3'])(
    "linefeedLink with the URL %s of tRPC's own handler reports one error and does not retry",
    async (path) => {
      served = await serveRouter(appRouter);
      const { log, callbacks } = record();
      served.ours({ url: `${served.origin}${path}` }).few.subscribe(3, callbacks);
      await until(() => expect(log.errors).toHaveLength(1));
      expect(log.errors[0]!.message).toMatch(
        /is served by tRPC's own handler, .*: serve the router with fromRouter\(\)/,
      );
      expect(served.requests).toHaveLength(1);
      expect(log.data).toEqual([]);
    },
  );

  it("linefeedLink reports the same error when its request to tRPC's own handler is a POST", async () => {
    served = await serveRouter(appRouter);
    const { log, callbacks } = record();
    served
      .ours({ url: `${served.origin}/trpc` })
      .room.posts.subscribe({ room: 'x'.repeat(5_000) }, callbacks);
    await until(() => expect(log.errors[0]?.message).toContain("is served by tRPC's own handler"));
  });
});
