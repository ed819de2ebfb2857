import { defineChannel, run, stream, topic, type AnyChannel, type LinefeedError } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import {
  createClient,
  iterate,
  type Client,
  type RunEnd,
  type StoppedRun,
  type Subscription,
} from '@linefeed/client';

const board = defineChannel({
  notice: z.object({ text: z.string(), level: z.enum(['info', 'warn']) }),
  price: topic({
    params: z.object({ symbol: z.string(), depth: z.number().default(1) }),
    data: z.object({ bid: z.number() }),
    keep: 'latest',
  }),
  room: topic({ params: z.object({ name: z.string().optional() }), data: z.array(z.string()) }),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ text: z.string() }),
    result: z.object({ tokens: z.number().default(0) }),
  }),
  job: run({ data: z.number() }),
  report: stream({ params: z.object({ year: z.number() }), data: z.union([z.literal('done'), z.number()]) }),
});

const client = createClient<typeof board>({ url: '/events' });

describe('createClient', () => {
  it('createClient takes the channel as a type argument or as a value', () => {
    expectTypeOf(client).toEqualTypeOf<Client<typeof board>>();
    expectTypeOf(createClient(board, { url: '/events' })).toEqualTypeOf<Client<typeof board>>();
    // @ts-expect-error -- url is missing
    createClient<typeof board>({});
    // @ts-expect-error -- options are missing
    createClient(board);
    // @ts-expect-error -- not a channel
    createClient({ url: '/events' }, { url: '/events' });
  });
});

describe('subscribe', () => {
  it('subscribe gives the handler the payload type of its topic', () => {
    const subscription = client.subscribe('notice', (notice, event) => {
      expectTypeOf(notice).toEqualTypeOf<{ text: string; level: 'info' | 'warn' }>();
      expectTypeOf(event.topic).toEqualTypeOf<'notice'>();
      expectTypeOf(event.params).toEqualTypeOf<undefined>();
    });
    expectTypeOf(subscription).toEqualTypeOf<Subscription>();
    client.subscribe('price', { symbol: 'ACME' }, async (price, { params, cursor, id, replayed }) => {
      expectTypeOf(price).toEqualTypeOf<{ bid: number }>();
      expectTypeOf(params).toEqualTypeOf<{ symbol: string; depth?: number | undefined }>();
      expectTypeOf(cursor).toEqualTypeOf<string | undefined>();
      expectTypeOf(id).toEqualTypeOf<string | undefined>();
      expectTypeOf(replayed).toEqualTypeOf<boolean>();
    });
    client.subscribe('report', { year: 2026 }, (progress) => {
      expectTypeOf(progress).toEqualTypeOf<number | 'done'>();
    });
  });

  it('subscribe allows params to be omitted when every param is optional', () => {
    client.subscribe('room', (lines) => expectTypeOf(lines).toEqualTypeOf<string[]>());
    client.subscribe('room', { name: 'x' }, (lines) => expectTypeOf(lines).toEqualTypeOf<string[]>(), {
      from: 'now',
    });
  });

  it('subscribe rejects an unknown topic, missing or wrong params, and a handler that is not a function', () => {
    // @ts-expect-error -- no such topic
    client.subscribe('notise', () => {});
    // @ts-expect-error -- params are missing
    client.subscribe('price', () => {});
    // @ts-expect-error -- a param has the wrong type
    client.subscribe('price', { symbol: 1 }, () => {});
    // @ts-expect-error -- a param is missing
    client.subscribe('price', {}, () => {});
    // @ts-expect-error -- the topic has no params
    client.subscribe('notice', { symbol: 'ACME' }, () => {});
    // @ts-expect-error -- no handler
    client.subscribe('notice');
    // @ts-expect-error -- the payload has another type
    client.subscribe('notice', (payload: { bid: number }) => payload);
    // @ts-expect-error -- no such option
    client.subscribe('notice', () => {}, { form: 'now' });
  });
});

describe('run topics', () => {
  it('the handler of a run topic gets the id of the run', () => {
    client.subscribe('answer', { chat: 'a' }, ({ text }, { id, run: runId, cursor, params }) => {
      expectTypeOf(text).toEqualTypeOf<string>();
      expectTypeOf(id).toEqualTypeOf<string>();
      expectTypeOf(runId).toEqualTypeOf<string>();
      expectTypeOf(cursor).toEqualTypeOf<undefined>();
      expectTypeOf(params).toEqualTypeOf<{ chat: string }>();
    });
  });

  it('onEnd of a run topic gets the result of a run that is done, and the error of one that failed', () => {
    client.subscribe('answer', { chat: 'a' }, () => {}, {
      from: 'start',
      onRun: ({ run: runId, attempt, startedAt }) => {
        expectTypeOf(runId).toEqualTypeOf<string>();
        expectTypeOf(attempt).toEqualTypeOf<number>();
        expectTypeOf(startedAt).toEqualTypeOf<number>();
      },
      onCaughtUp: () => {},
      onEnd: (end) => {
        expectTypeOf(end.reason).toEqualTypeOf<string | undefined>();
        if (end.outcome === 'done') expectTypeOf(end.result).toEqualTypeOf<{ tokens: number }>();
        else if (end.outcome === 'failed') expectTypeOf(end.error).toEqualTypeOf<LinefeedError>();
        else expectTypeOf(end.outcome).toEqualTypeOf<'stopped' | 'lost' | 'gone'>();
      },
    });
    client.subscribe('job', () => {}, {
      onEnd: (end) => expectTypeOf(end).toEqualTypeOf<RunEnd<undefined>>(),
    });
  });

  it('run topics have no option of logged topics and streams, and the other way round', () => {
    // @ts-expect-error -- the events of a run are all recorded, so there is no gap
    client.subscribe('job', () => {}, { onGap: () => {} });
    // @ts-expect-error -- a run has ids
    client.subscribe('job', () => {}, { restart: true });
    // @ts-expect-error -- not a run
    client.subscribe('notice', () => {}, { onRun: () => {} });
    // @ts-expect-error -- not a run
    client.subscribe('report', { year: 2026 }, () => {}, { onCaughtUp: () => {} });
  });

  it('iterate over a run topic returns how the run ended', async () => {
    const iterator = iterate(client, 'answer', { params: { chat: 'a' }, from: 'start' });
    const next = await iterator.next();
    if (next.done !== true) expectTypeOf(next.value).toEqualTypeOf<{ text: string }>();
    else if (next.value?.outcome === 'done')
      expectTypeOf(next.value.result).toEqualTypeOf<{ tokens: number }>();
    else if (next.value) expectTypeOf(next.value.outcome).toEqualTypeOf<'stopped'>();
  });

  it('stop takes the run topics of the channel and their params', () => {
    expectTypeOf(client.stop('answer', { chat: 'a' }, { run: 'x', reason: 'user' })).resolves.toEqualTypeOf<
      StoppedRun | undefined
    >();
    void client.stop('job');
    void client.stop('job', undefined, { reason: 'user' });
    // @ts-expect-error -- params are missing
    void client.stop('answer');
    // @ts-expect-error -- the topic has no params
    void client.stop('job', { reason: 'user' });
    // @ts-expect-error -- not a run
    void client.stop('report', { year: 2026 });
  });

  it('a client of a channel is a client of any channel', () => {
    expectTypeOf(client).toExtend<Client<AnyChannel>>();
  });
});

describe('iterate', () => {
  it('iterate yields the payload type of its topic', () => {
    expectTypeOf(iterate(client, 'report', { params: { year: 2026 } })).toEqualTypeOf<
      AsyncGenerator<number | 'done', void, void>
    >();
    expectTypeOf(iterate(client, 'room')).toEqualTypeOf<AsyncGenerator<string[], void, void>>();
    // @ts-expect-error -- params are missing
    iterate(client, 'report');
    // @ts-expect-error -- params are missing
    iterate(client, 'report', { from: 'now' });
    // @ts-expect-error -- no such topic
    iterate(client, 'raport', { params: { year: 2026 } });
  });
});

describe('the methods of a client', () => {
  it('the methods of a client may be used without it', () => {
    const { subscribe, reconnect, close } = client;
    expectTypeOf(subscribe).thisParameter.toEqualTypeOf<void>();
    for (const task of [reconnect, close]) expectTypeOf(task).toBeFunction();
  });

  it('a client of one channel is not a client of a channel with other payloads or params', () => {
    const other = defineChannel({ notice: z.object({ subject: z.string() }) });
    const narrow = defineChannel({ room: z.array(z.string()) });
    // @ts-expect-error -- the payload has other fields
    const withOtherPayload: Client<typeof other> = client;
    // @ts-expect-error -- the topic has no params
    const withoutParams: Client<typeof narrow> = client;
    expectTypeOf(withOtherPayload).not.toEqualTypeOf(withoutParams);
  });
});
