import { createTRPCClient, httpSubscriptionLink } from '@trpc/client';
import { initTRPC, tracked } from '@trpc/server';
import { defineChannel, stream, topic } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import * as z from 'zod';
import { createFeed, defineStream } from '@linefeed/server';
import { fromRouter, toRouter } from '@linefeed/server/trpc';

const board = defineChannel({
  notice: z.object({ text: z.string() }),
  room: topic({ params: z.object({ name: z.string() }), data: z.object({ n: z.number() }) }),
  report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
});

describe('types of fromRouter', () => {
  it('fromRouter requires createContext if the router has a context', () => {
    const router = initTRPC.context<{ user: string }>().create().router({});
    fromRouter(router, { createContext: ({ req }) => ({ user: req.headers.get('x-user') ?? '' }) });
    // @ts-expect-error -- no context
    fromRouter(router, {});
    // @ts-expect-error -- another context
    fromRouter(router, { createContext: () => ({ name: 'x' }) });
    fromRouter(initTRPC.create().router({}), {});
  });
});

describe('types of toRouter', () => {
  const feed = createFeed(board, { streams: { async *report() {} } });
  const router = toRouter(feed);
  const client = createTRPCClient<typeof router>({ links: [httpSubscriptionLink({ url: '/trpc' })] });

  it('toRouter gives a stock client the params and payloads of every topic', () => {
    client.notice.subscribe(undefined, {
      onData: (event) => expectTypeOf(event).toEqualTypeOf<{ id: string; data: { text: string } }>(),
    });
    client.room.subscribe(
      { name: 'a', lastEventId: '7' },
      { onData: (event) => expectTypeOf(event).toEqualTypeOf<{ id: string; data: { n: number } }>() },
    );
    // @ts-expect-error -- a room has a name
    client.room.subscribe({}, { onData: () => undefined });
    // @ts-expect-error -- no such topic
    client.nothing.subscribe(undefined, { onData: () => undefined });
  });

  it('the events of a stream over tRPC have a type with an id or without', () => {
    client.report.subscribe(
      { year: 2026 },
      {
        onData: (event) =>
          expectTypeOf(event).toEqualTypeOf<{ id: string; data: { step: number } } | { step: number }>(),
      },
    );
  });
});

describe('types of a source', () => {
  it('a source can yield tracked values of tRPC, but only with its own payload', () => {
    defineStream(board, 'report', async function* () {
      yield tracked('1', { step: 1 });
    });
    // @ts-expect-error -- another payload
    defineStream(board, 'report', async function* () {
      yield tracked('1', { other: 1 });
    });
  });
});
