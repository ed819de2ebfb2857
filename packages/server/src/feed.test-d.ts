import { defineChannel, run, stream, topic } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import * as z from 'zod';
import {
  createFeed,
  defineStream,
  eventStream,
  memoryLog,
  message,
  type CloseReason,
  type ConnectionInfo,
  type Feed,
  type FeedHooks,
  type Gap,
  type Log,
  type Message,
  type RequestTarget,
} from '@linefeed/server';
import { closeOnSignal, sendEventStream, toNodeHandler } from '@linefeed/server/node';
import { sqliteLog } from '@linefeed/server/sqlite';

const board = defineChannel({
  notice: z.object({ text: z.string(), level: z.enum(['info', 'warn']).default('info') }),
  price: topic({
    params: z.object({ symbol: z.string(), depth: z.number().default(1) }),
    data: z.object({ bid: z.number() }),
  }),
  room: topic({ params: z.object({ name: z.string().optional() }), data: z.string() }),
  report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
});

const feed = createFeed(board, {
  context: () => ({ user: 'ann' }),
  authorize: ({ context, topic, params }) => {
    expectTypeOf(context.user).toEqualTypeOf<string>();
    if (topic === 'price') expectTypeOf(params).toEqualTypeOf<{ symbol: string; depth: number }>();
    return true;
  },
  streams: {
    async *report({ params, context, lastEventId, signal }) {
      expectTypeOf(params).toEqualTypeOf<{ year: number }>();
      expectTypeOf(context.user).toEqualTypeOf<string>();
      expectTypeOf(lastEventId).toEqualTypeOf<string | undefined>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      yield message({ step: 1 }, { id: 1 });
    },
  },
});

describe('types of context', () => {
  it('context receives req as unknown, or with its annotated type', () => {
    createFeed(board, {
      streams: { *report() {} },
      context: (request, reply, { req }) => {
        expectTypeOf(request).toEqualTypeOf<Request>();
        expectTypeOf(reply.headers).toEqualTypeOf<Headers>();
        expectTypeOf(req).toEqualTypeOf<unknown>();
      },
    });
    createFeed(board, {
      streams: { *report() {} },
      context: (request, _reply, { req }: { req: { session: { user: string } } }) => {
        expectTypeOf(request).toEqualTypeOf<Request>();
        return { user: req.session.user };
      },
      authorize: ({ context }) => {
        expectTypeOf(context).toEqualTypeOf<{ user: string }>();
        return true;
      },
    });
    createFeed(board, {
      streams: { *report() {} },
      // @ts-expect-error -- there is no `request` in the third argument
      context: (_request, _reply, { request }: { request: string }) => ({ user: request }),
    });
  });
});

describe('types of publish', () => {
  it('publish accepts the input of the schemas, so fields with defaults are optional', () => {
    void feed.publish('notice', { text: 'a' });
    void feed.publish('price', { symbol: 'A' }, { bid: 1 });
    expectTypeOf(feed.publish('notice', { text: 'a' })).resolves.toEqualTypeOf<{
      readonly cursor: string;
      readonly duplicate: boolean;
    }>();
  });

  it('publish with a transaction has no cursor, and checks its payload', () => {
    const transaction = { query: async () => undefined };
    expectTypeOf(feed.publish('notice', { text: 'a' }, { transaction })).resolves.toEqualTypeOf<undefined>();
    void feed.publish('price', { symbol: 'A' }, { bid: 1 }, { transaction, idempotencyKey: 'k' });
    // @ts-expect-error -- the bid is a number
    void feed.publish('price', { symbol: 'A' }, { bid: 'a' }, { transaction });
  });

  it('publish refuses a misspelt topic, a wrong payload, a missing param and a stream', () => {
    // @ts-expect-error -- no such topic
    void feed.publish('notise', { text: 'a' });
    // @ts-expect-error -- no such level
    void feed.publish('notice', { text: 'a', level: 'loud' });
    // @ts-expect-error -- params are missing
    void feed.publish('price', { bid: 1 });
    // @ts-expect-error -- symbol is missing
    void feed.publish('price', {}, { bid: 1 });
    // @ts-expect-error -- nothing is published to a stream
    void feed.publish('report', { year: 1 }, { step: 1 });
  });
});

describe('types of createFeed', () => {
  it('createFeed refuses a stream without a source, and a source with a wrong yield', () => {
    // @ts-expect-error -- report has no source
    createFeed(board, {});
    // @ts-expect-error -- report has no source
    createFeed(board, { streams: {} });
    createFeed(board, {
      streams: {
        // @ts-expect-error -- a step is a number
        *report() {
          yield { step: 'one' };
        },
      },
    });
  });

  it('defineStream takes the source of a stream in a separate file, but no other topic', () => {
    const report = defineStream(board, 'report', function* ({ params }) {
      yield { step: params.year };
    });
    createFeed(board, { streams: { report } });
    // @ts-expect-error -- notice is published to
    defineStream(board, 'notice', function* () {});
  });
});

describe('types of subscribe on the server', () => {
  it('subscribe on the server yields the output of the schema', () => {
    const follow = async (): Promise<void> => {
      for await (const { data } of feed.subscribe('notice')) {
        expectTypeOf(data).toEqualTypeOf<{ text: string; level: 'info' | 'warn' }>();
      }
    };
    expectTypeOf(follow).returns.resolves.toBeVoid();
  });

  it('subscribe on the server accepts missing params if every param is optional', () => {
    feed.subscribe('room');
    feed.subscribe('room', { from: 'earliest' });
    feed.subscribe('room', { params: { name: 'lobby' } });
    feed.subscribe('price', { params: { symbol: 'ACME' }, from: 'earliest' });
  });

  it('subscribe on the server refuses a missing or wrong param, a misspelt topic and a stream', () => {
    // @ts-expect-error -- params are missing
    feed.subscribe('price');
    // @ts-expect-error -- params are missing
    feed.subscribe('price', { from: 'now' });
    // @ts-expect-error -- symbol is missing
    feed.subscribe('price', { params: {} });
    // @ts-expect-error -- symbol is a string
    feed.subscribe('price', { params: { symbol: 1 } });
    // @ts-expect-error -- a topic without params
    feed.subscribe('notice', { params: { symbol: 'ACME' } });
    // @ts-expect-error -- no such topic
    feed.subscribe('notise');
    // @ts-expect-error -- a stream is not in the log
    feed.subscribe('report', { params: { year: 2026 } });
  });
});

describe('types of message', () => {
  it('a payload with frame fields is a message only if message() made it', () => {
    expectTypeOf(message({ step: 1 })).toEqualTypeOf<Message<{ step: number }>>();
    // @ts-expect-error -- an object with the fields of a message
    const forged: Message<{ step: number }> = { data: { step: 1 }, id: '1' };
    // @ts-expect-error -- a yield without message()
    defineStream(board, 'report', function* () {
      yield { data: { step: 1 }, id: '1' };
    });
    expectTypeOf(forged).not.toBeAny();
  });
});

describe('types of toNodeHandler', () => {
  it('toNodeHandler takes a feed and a stream', () => {
    toNodeHandler(feed, { rawWrites: false });
    toNodeHandler(defineStream(board, 'report', function* () {}));
  });

  it('toNodeHandler refuses everything that is neither a feed nor a stream', () => {
    // @ts-expect-error -- text
    toNodeHandler('text');
    // @ts-expect-error -- an object with a method of a feed
    toNodeHandler({ handle: feed.handle });
    // @ts-expect-error -- a channel
    toNodeHandler(board);
  });
});

describe('types of hooks', () => {
  it('hooks written apart have the types of the feed', () => {
    const hooks: FeedHooks<{ user: string }> = {
      onClose(connection, reason) {
        expectTypeOf(connection).toEqualTypeOf<ConnectionInfo<{ user: string }>>();
        expectTypeOf(reason).toEqualTypeOf<CloseReason>();
      },
      onGap: (_connection, gap) => expectTypeOf(gap).toEqualTypeOf<Gap>(),
    };
    createFeed(board, { ...hooks, context: () => ({ user: 'ann' }), streams: { *report() {} } });
  });
});

describe('types of a feed', () => {
  it('an object with the methods of a feed is not a feed', () => {
    const { channel, publish, cursor, subscribe, handle, disconnect, stats, setStreams, close } = feed;
    const methods = { channel, publish, cursor, subscribe, handle, disconnect, stats, setStreams, close };
    // @ts-expect-error -- not made by createFeed
    const forged: typeof feed = methods;
    // @ts-expect-error -- not made by createFeed
    const target: RequestTarget = methods;
    expectTypeOf(forged).toExtend<Feed<typeof board, { user: string }>>();
    expectTypeOf(target).not.toBeAny();
  });
});

describe('types of the options of logs', () => {
  it('memoryLog and sqliteLog refuse unknown and missing options', () => {
    expectTypeOf(memoryLog({ maxEvents: 1 })).toEqualTypeOf<Log>();
    expectTypeOf(sqliteLog({ path: 'x', synchronous: 'full' })).toEqualTypeOf<Log>();
    // @ts-expect-error -- no such option
    memoryLog({ maxEvent: 1 });
    // @ts-expect-error -- the path is missing
    sqliteLog({ maxEvents: 1 });
    // @ts-expect-error -- no such mode
    sqliteLog({ path: 'x', synchronous: 'off' });
  });
});

describe('types of event streams', () => {
  const request = {} as Request;

  it('eventStream takes content and a request, and refuses unknown options', () => {
    expectTypeOf(eventStream([1, 2], { request })).toEqualTypeOf<Response>();
    eventStream<number>(({ signal }) => (signal.aborted ? [] : [message(1, { id: 1 })]), { request });
    // @ts-expect-error -- the request is missing
    eventStream([1, 2]);
    // @ts-expect-error -- a number cannot be iterated
    eventStream(1, { request });
    // @ts-expect-error -- no such option
    eventStream([1], { request, pingMS: 5 });
    // @ts-expect-error -- the payload has another type
    eventStream<number>(['one'], { request });
  });

  it('sendEventStream and closeOnSignal refuse objects of another kind', () => {
    // @ts-expect-error -- a Request of fetch
    sendEventStream(request, new Response(), [1]);
    // @ts-expect-error -- no server
    closeOnSignal({}, feed);
  });
});

describe('types of runs', () => {
  const chat = createFeed(
    defineChannel({
      answer: run({
        params: z.object({ chat: z.string(), turn: z.number().default(1) }),
        data: z.object({ text: z.string().default('') }),
        result: z.object({ tokens: z.number() }),
      }),
      job: run({ data: z.number() }),
    }),
  );

  it('a source gets the output of the schemas, and yields their input', async () => {
    const started = await chat.start('answer', { chat: 'a' }, async function* (context) {
      expectTypeOf(context.params).toEqualTypeOf<{ chat: string; turn: number }>();
      expectTypeOf(context.stored).toEqualTypeOf<ReadonlyArray<{ text: string }>>();
      expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
      expectTypeOf(context.attempt).toBeNumber();
      yield {};
      yield { text: 'b' };
      return { tokens: 1 };
    });
    expectTypeOf(started.run).toBeString();
    expectTypeOf(started.joined).toBeBoolean();
    expectTypeOf(started.outcome).toEqualTypeOf<'done' | 'stopped' | 'failed' | 'lost' | undefined>();
  });

  it('a source without its result, with another result or with another payload does not compile', () => {
    // @ts-expect-error no result
    void chat.start('answer', { chat: 'a' }, function* () {
      yield { text: 'b' };
    });
    // @ts-expect-error another result
    void chat.start('answer', { chat: 'a' }, function* () {
      yield { text: 'b' };
      return { tokens: 'c' };
    });
    // @ts-expect-error another payload
    void chat.start('job', function* () {
      yield 'b';
    });
    // @ts-expect-error no params
    void chat.start('answer', function* () {
      yield { text: 'b' };
      return { tokens: 1 };
    });
  });

  it('a run without a result takes any iterable', () => {
    void chat.start('job', () => [1, 2], { key: 'a', input: { b: 1 }, whenBusy: 'refuse', attempts: 2 });
    void chat.start('job', async () => new Set([1]), {
      leaseMs: 5_000,
      maxDurationMs: false,
      principal: 'c',
    });
    // @ts-expect-error an unknown choice
    void chat.start('job', () => [1], { whenBusy: 'wait' });
  });

  it('runs are listed and stopped with the params of their topic', async () => {
    const [first] = await chat.runs('answer', { chat: 'a' });
    expectTypeOf(first!.params).toEqualTypeOf<{ chat: string; turn: number }>();
    expectTypeOf(first!.result).toEqualTypeOf<{ tokens: number } | undefined>();
    void chat.runs('answer');
    void chat.runs('job');
    const stopped = await chat.stop('answer', { chat: 'a' }, { run: first!.run, reason: 'user' });
    expectTypeOf(stopped?.outcome).toEqualTypeOf<'done' | 'stopped' | 'failed' | 'lost' | undefined>();
    void chat.stop('job');
    // @ts-expect-error no params
    void chat.stop('answer');
    // @ts-expect-error a topic that is not a run
    void feed.stop('notice');
    // @ts-expect-error a run has no publish
    void chat.publish('job', 1);
  });
});
