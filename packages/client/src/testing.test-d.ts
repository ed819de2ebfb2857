import { defineChannel, stream, topic } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Client } from '@linefeed/client';
import { createTestClient } from '@linefeed/client/testing';
import { linefeedFixtures, type LinefeedPage } from '@linefeed/client/testing/playwright';

const board = defineChannel({
  notice: z.object({ text: z.string() }),
  price: topic({ params: z.object({ symbol: z.string() }), data: z.object({ bid: z.number() }) }),
  report: stream({ params: z.object({ year: z.number() }), data: z.number() }),
});

const { client, emit, gap, end } = createTestClient<typeof board>({ streams: ['report'] });

describe('createTestClient', () => {
  it('createTestClient returns the client type that the code under test takes', () => {
    expectTypeOf(client).toEqualTypeOf<Client<typeof board>>();
    expectTypeOf(createTestClient(board).client).toEqualTypeOf<Client<typeof board>>();
    // @ts-expect-error -- a logged topic is not a stream
    createTestClient<typeof board>({ streams: ['notice'] });
  });

  it('emit takes the payload and the params of its topic', () => {
    void emit('notice', { text: 'one' });
    void emit('price', { symbol: 'ACME' }, { bid: 1 });
    // @ts-expect-error -- no such topic
    void emit('notices', { text: 'one' });
    // @ts-expect-error -- the payload has another type
    void emit('notice', { text: 1 });
    // @ts-expect-error -- params are missing
    void emit('price', { bid: 1 });
  });

  it('gap takes logged topics, and end takes streams', () => {
    void gap('price', { symbol: 'ACME' });
    void end('report', { year: 2026 });
    // @ts-expect-error -- a stream has no log
    void gap('report', { year: 2026 });
    // @ts-expect-error -- a logged topic does not end
    void end('notice');
  });
});

describe('linefeedFixtures', () => {
  it('linefeedFixtures gives data by topic, and events that are discriminated by topic', () => {
    const page = {} as LinefeedPage<typeof board>;
    expectTypeOf(page.data('price')).toEqualTypeOf<Array<{ bid: number }>>();
    const event = page.events()[0]!;
    if (event.topic === 'notice') expectTypeOf(event.data).toEqualTypeOf<{ text: string }>();
    expectTypeOf(linefeedFixtures<typeof board>()).toHaveProperty('linefeed');
  });
});
