import { createTRPCClient } from '@trpc/client';
import { initTRPC, tracked } from '@trpc/server';
import { describe, expectTypeOf, it } from 'vitest';
import { linefeedLink } from '@linefeed/client/trpc';

const plain = initTRPC.create();
const plainRouter = plain.router({
  posts: plain.procedure
    .input((value: unknown) => value as { room: string })
    .subscription(async function* () {
      yield tracked('1', { at: new Date() });
    }),
});

const fancy = initTRPC.create({
  transformer: { serialize: (value) => value, deserialize: (value) => value },
});
const fancyRouter = fancy.router({
  posts: fancy.procedure.subscription(async function* () {
    yield { at: new Date() };
  }),
});

describe('linefeedLink', () => {
  it('linefeedLink keeps the types of a client', () => {
    const client = createTRPCClient<typeof plainRouter>({ links: [linefeedLink({ url: '/live' })] });
    client.posts.subscribe(
      { room: 'a' },
      { onData: (event) => expectTypeOf(event).toEqualTypeOf<{ id: string; data: { at: string } }>() },
    );
    // @ts-expect-error -- the input is missing `room`
    client.posts.subscribe({}, { onData: () => undefined });
  });

  it('linefeedLink requires a transformer when the router has one', () => {
    // @ts-expect-error -- the transformer is missing
    createTRPCClient<typeof fancyRouter>({ links: [linefeedLink({ url: '/live' })] });
    const transformer = { serialize: (value: unknown) => value, deserialize: (value: unknown) => value };
    const client = createTRPCClient<typeof fancyRouter>({
      links: [linefeedLink({ url: '/live', transformer })],
    });
    client.posts.subscribe(undefined, {
      onData: (event) => expectTypeOf(event).toEqualTypeOf<{ at: Date }>(),
    });
  });

  it('linefeedLink rejects a transformer when the router has none', () => {
    const transformer = { serialize: (value: unknown) => value, deserialize: (value: unknown) => value };
    // @ts-expect-error -- the router has no transformer
    createTRPCClient<typeof plainRouter>({ links: [linefeedLink({ url: '/live', transformer })] });
  });
});
