import { initTRPC, tracked, TRPCError } from '@trpc/server';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import { it } from 'vitest';
import * as z from 'zod';
import { fromRouter, toRouter } from '@linefeed/server/trpc';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, post, Session } from './session.ts';

const t = initTRPC.context<{ readonly user: string | undefined }>().create({ isDev: false });

const router = t.router({
  count: t.procedure
    .input(z.object({ to: z.number(), lastEventId: z.string().optional() }))
    .subscription(async function* ({ input }) {
      for (let n = Number(input.lastEventId ?? 0) + 1; n <= input.to; n += 1) yield tracked(String(n), { n });
    }),
  nested: {
    plain: t.procedure.subscription(async function* () {
      yield 'one';
      yield { two: 2 };
    }),
  },
  fails: t.procedure.input(z.enum(['NOT_FOUND', 'INTERNAL_SERVER_ERROR'])).subscription(async function* ({
    input,
  }) {
    yield tracked('1', 1);
    throw new TRPCError({ code: input, message: 'app: failed' });
  }),
  guarded: t.procedure
    .use(({ ctx, next }) => {
      if (ctx.user === undefined) throw new TRPCError({ code: 'UNAUTHORIZED', message: 'app: log in' });
      return next();
    })
    .subscription(async function* ({ ctx }) {
      yield ctx.user;
    }),
  query: t.procedure.query(() => 1),
});

const withInput = (path: string, input: unknown): string =>
  `${path}?input=${encodeURIComponent(JSON.stringify(input))}`;

it('the bytes of a router as a feed are those of the record', async () => {
  const session = new Session();
  const feed = fromRouter(router, {
    clock: session.clock,
    createContext: ({ req }) => ({ user: req.headers.get('x-user') ?? undefined }),
  });
  await session.send(feed.handle, withInput('/live/count', { to: 2 }));
  await session.send(feed.handle, withInput('/live/count', { to: 2 }), {
    headers: { 'last-event-id': '~1' },
  });
  await session.send(feed.handle, '/live/nested.plain');
  await session.send(feed.handle, withInput('/live/count', { to: 'many' }));
  await session.send(feed.handle, withInput('/live/fails', 'NOT_FOUND'));
  await session.send(feed.handle, withInput('/live/fails', 'INTERNAL_SERVER_ERROR'));
  await session.send(feed.handle, '/live/guarded');
  await session.send(feed.handle, '/live/guarded', { headers: { 'x-user': 'ann' } });
  await session.send(feed.handle, '/live/query');
  await session.send(feed.handle, '/live/nothing');
  const topics = [{ address: withInput('count', { to: 1 }), key: 'a' }];
  const open = await session.send(feed.handle, '/live', post({ topics }));
  await session.send(feed.handle, '/live', {
    ...post({ connection: open.id, n: 1, add: [{ address: 'guarded', key: 'b' }] }),
    headers: { 'x-user': 'bob' },
  });
  await session.send(
    feed.handle,
    '/live',
    post({ connection: open.id, n: 2, add: [{ address: withInput('fails', 'NOT_FOUND'), key: 'c' }] }),
  );
  await expectRecordAfterClose(session, feed, 'trpc-from-router');
});

it('the bytes of a feed as a router of tRPC are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  const served = toRouter(feed);
  const handle = (req: Request): Promise<Response> =>
    fetchRequestHandler({ endpoint: '/trpc', req, router: served, createContext: () => ({}) });
  await session.step('publish', async () => {
    await feed.publish('notice', { text: 'one' });
    await feed.publish('notice', { text: 'two' });
  });
  const input = (value: unknown): string => `?input=${encodeURIComponent(JSON.stringify(value))}`;
  const headers = { accept: 'text/event-stream' };
  const a = await session.send(handle, '/trpc/notice', { headers });
  const b = await session.send(
    handle,
    `/trpc/notice${input({ lastEventId: feed.cursor().replace(/2$/, '1') })}`,
    {
      headers,
    },
  );
  await session.send(handle, `/trpc/report${input({ year: 2026 })}`, { headers });
  await session.step('publish', () => feed.publish('notice', { text: 'three' }));
  await session.step('the clients leave', async () => {
    await a.leave();
    await b.leave();
  });
  await expectRecordAfterClose(session, feed, 'trpc-to-router');
});
