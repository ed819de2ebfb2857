import { defineChannel, run, stream, topic } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Client } from '@linefeed/client';
import { createTestClient } from '@linefeed/client/testing';
import { linefeedFixtures, type LinefeedPage } from '@linefeed/client/testing/playwright';

const board = defineChannel({
  notice: z.object({ text: z.string() }),
  price: topic({ params: z.object({ symbol: z.string() }), data: z.object({ bid: z.number() }) }),
  report: stream({ params: z.object({ year: z.number() }), data: z.number() }),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.string(),
    result: z.object({ tokens: z.number() }),
  }),
  job: run({ data: z.number() }),
});

const { client, emit, gap, start, end } = createTestClient<typeof board>({
  streams: ['report'],
  runs: ['answer', 'job'],
});

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

describe('the runs of createTestClient', () => {
  it('start and end take runs, and the end of a run has its result', () => {
    expectTypeOf(start('answer', { chat: 'a' })).resolves.toEqualTypeOf<string>();
    void emit('answer', { chat: 'a' }, 'text');
    void end('answer', { chat: 'a' }, { outcome: 'done', result: { tokens: 1 } });
    void end('answer', { chat: 'a' }, { outcome: 'failed' });
    void end('answer', { chat: 'a' }, { outcome: 'stopped', reason: 'user' });
    void end('job', { outcome: 'done' });
    // @ts-expect-error -- a stream is not started
    void start('report', { year: 2026 });
    // @ts-expect-error -- the result is missing
    void end('answer', { chat: 'a' }, { outcome: 'done' });
    // @ts-expect-error -- the end is missing
    void end('job');
    // @ts-expect-error -- not a run
    createTestClient<typeof board>({ runs: ['report'] });
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
