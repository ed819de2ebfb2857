import { createTRPCClient } from '@trpc/client';
import { initTRPC, tracked } from '@trpc/server';
import { it } from 'vitest';
import { linefeedLink } from '@linefeed/client/trpc';
import { ClientSession, expectRecord } from './session.ts';

const t = initTRPC.create();
const router = t.router({
  count: t.procedure
    .input((value: unknown) => value as { readonly to: number })
    .subscription(async function* ({ input }) {
      yield tracked('1', input.to);
    }),
  plain: t.procedure.subscription(async function* () {
    yield 1;
  }),
});

it('the requests of the link for tRPC are those of the record', async () => {
  const session = new ClientSession();
  const client = createTRPCClient<typeof router>({
    links: [
      linefeedLink({
        url: 'http://feed.test/live',
        clock: session.clock,
        fetch: session.fetch,
        headers: { 'x-user': 'ann' },
        connectionParams: { tenant: 'a&b' },
      }),
    ],
  });
  const callbacks = { onData: () => undefined };
  const subscriptions: Array<{ unsubscribe(): void }> = [];
  await session.step('subscribe twice', () => {
    subscriptions.push(
      client.count.subscribe({ to: 2 }, callbacks),
      client.plain.subscribe(undefined, callbacks),
    );
  });
  await session.step('accept them, send an event', () => {
    session.last.accept(undefined, {});
    session.last.send(
      ['linefeed.subscribed', { address: 'count~1', event: 'count~1', key: '1' }],
      ['linefeed.subscribed', { address: 'plain~2', event: 'plain~2', key: '2' }],
      ['count~1', { id: '1', data: 2 }, '~1'],
    );
  });
  await session.step('subscribe late', () => {
    subscriptions.push(client.count.subscribe({ to: 3 }, callbacks));
  });
  await session.step('unsubscribe', () => subscriptions[1]!.unsubscribe());
  await session.step('answer the change', () =>
    session.last.send(['linefeed.subscribed', { address: 'count~3', event: 'count~3', key: '3', n: 1 }]),
  );
  await session.step('end the response', () => session.last.end());
  await session.pass(1_000);
  await session.step('unsubscribe from all', () => subscriptions.forEach((each) => each.unsubscribe()));
  expectRecord(session, 'requests-of-trpc');
});
