import { defineChannel, stream, type AnyChannel } from '@linefeed/shared';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { createBench } from '../../test-kit/feed-bench.ts';
import { createFeed } from './create-feed.ts';
import type { Log } from './log.ts';
import { memoryLog } from './logs/memory.ts';

const spyOnWarnings = () => vi.spyOn(console, 'warn').mockImplementation(() => undefined);

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe('a topic with the name of something that every object has', () => {
  it.each(['valueOf', 'constructor', 'toString'])('%s: needs a source of its own', (name) => {
    const channel = defineChannel({ [name]: stream({ data: z.string() }) });
    expect(() => createFeed(channel as AnyChannel, { streams: {} } as never)).toThrow(
      `"${name}" has no source`,
    );
  });

  it.each(['valueOf', 'constructor', '__proto__'])('%s: is counted', async (name) => {
    const { topics } = defineChannel({ a: z.string() });
    const feed = createFeed({ topics: new Map([[name, topics.get('a')!]]) }, {});
    const response = await feed.handle(new Request(`http://feed.test/events/${name}`));
    const { subscriptions } = feed.stats();
    expect(Object.entries(subscriptions)).toEqual([[name, 1]]);
    await response.body!.cancel();
    await feed.close();
  });
});

describe('a feed', () => {
  it('gives a published event the cursor of its own epoch, though the log starts anew before publish resolves', async () => {
    const inner = memoryLog();
    let epoch = inner.epoch;
    const log: Log = {
      get epoch() {
        return epoch;
      },
      async append(entries, options) {
        const appended = await inner.append(entries, options);
        epoch = 'another';
        return appended;
      },
      read: (query) => inner.read(query),
      position: () => inner.position(),
      tail: (listener) => inner.tail(listener),
    };
    const feed = createFeed(defineChannel({ a: z.string() }), { log });
    await expect(feed.publish('a', 'x')).resolves.toEqual({ cursor: `${inner.epoch}.1`, duplicate: false });
    await feed.close();
  });

  it('that could not be made is not taken for open', async () => {
    const warn = spyOnWarnings();
    const channel = defineChannel({ a: z.string() });
    expect(() => createFeed(channel, { pingMs: -1 })).toThrow(/pingMs/);
    const feed = createFeed(channel, {});
    expect(warn).not.toHaveBeenCalled();
    const second = createFeed(channel, {});
    expect(warn).toHaveBeenCalledOnce();
    await Promise.all([feed.close(), second.close()]);
    await createFeed(channel, {}).close();
    expect(warn).toHaveBeenCalledOnce();
  });

  it.each(['production', 'development'])(
    'without authorize warns in %s at its first request, once for each channel and path',
    async (mode) => {
      vi.stubEnv('NODE_ENV', mode);
      const warn = spyOnWarnings();
      const open = async (channel: AnyChannel, path: string) => {
        const feed = createFeed(channel, { path } as never);
        for (let count = 0; count < 2; count += 1) await feed.handle(new Request(`http://feed.test${path}`));
        await feed.close();
      };
      const [a, b] = [defineChannel({ a: z.string() }), defineChannel({ b: z.string() })];
      for (const [channel, path] of [
        [a, '/a'],
        [a, '/a'],
        [a, '/admin'],
        [b, '/a'],
      ] as const)
        await open(channel, path);
      expect(warn).toHaveBeenLastCalledWith(
        expect.stringContaining('If that is meant, say authorize: () => true.'),
      );
      expect(warn.mock.calls.map(([text]) => /the feed at (\S+) has no `authorize`/.exec(text)?.[1])).toEqual(
        ['/a', '/admin', '/a'],
      );
    },
  );
});

it('a feed that serves no request, as in a build, does not warn of a missing authorize', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  const warn = spyOnWarnings();
  await createFeed(defineChannel({ a: z.string() })).close();
  expect(warn).not.toHaveBeenCalled();
});

it('a channel without streams needs no options', async () => {
  const feed = createFeed(defineChannel({ a: z.string() }));
  await expect(feed.publish('a', 'x')).resolves.toMatchObject({ duplicate: false });
  await feed.close();
});

describe('a wrong argument from JavaScript is refused as invalid_option', () => {
  const channel = defineChannel({ a: z.string() });
  const feed = createFeed(channel);
  const misused = feed as unknown as Record<string, (...args: unknown[]) => unknown>;
  const create = createFeed as (...args: unknown[]) => unknown;

  it.each<[string, string, () => unknown]>([
    ['createFeed()', 'must be a channel', () => create()],
    ['createFeed({})', 'must be a channel', () => create({}, {})],
    ['createFeed(channel, null)', 'options as an object, not null', () => create(channel, null)],
    ['createFeed(channel, "x")', 'options as an object, not string', () => create(channel, 'x')],
    [
      'sources in place of streams',
      'A feed has no option "sources"; the sources of its streams go into streams.',
      () => create(channel, { sources: { a() {} } }),
    ],
    ['a log without tail()', 'log must be a log, such as memoryLog()', () => create(channel, { log: {} })],
    [
      'publish with null',
      'publish takes its options as an object',
      () => misused['publish']!('a', 'x', null),
    ],
    ['publish with a key alone', 'not string', () => misused['publish']!('a', 'x', 'key')],
    [
      'a misspelt publish option',
      'no option "idempotencykey"; its options are idempotencyKey',
      () => misused['publish']!('a', 'x', { idempotencykey: 'k' }),
    ],
    [
      'subscribe with null',
      'subscribe takes its options as an object',
      () => misused['subscribe']!('a', null),
    ],
    [
      'a misspelt subscribe option',
      'subscribe has no option "form"',
      () => misused['subscribe']!('a', { form: 'now' }),
    ],
    ['disconnect without a predicate', 'disconnect takes a function', () => misused['disconnect']!()],
    ['close with null', 'close takes its options as an object', () => misused['close']!(null)],
    ['a misspelt close option', 'close has no option "grace"', () => misused['close']!({ grace: 1 })],
    [
      'a grace that is no time',
      'graceMs of close must be a number from 0 up, not NaN',
      () => misused['close']!({ graceMs: NaN }),
    ],
    [
      "handle with Node's request",
      'use toNodeHandler(feed)',
      () => misused['handle']!({ url: '/events', headers: {} }),
    ],
  ])('%s', async (_name, message, call) => {
    const attempt = async () => await call();
    await expect(attempt()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });
});

describe('setStreams', () => {
  it('gives new subscriptions the new source and lets a run go on with its own', async () => {
    const bench = createBench({
      streams: {
        *report() {},
        async *tick({ signal }) {
          yield 1;
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      },
    });
    const before = await bench.open('/events/tick');
    bench.feed.setStreams({
      *report() {},
      *tick() {
        yield 2;
      },
    });
    const after = await bench.open('/events/tick');
    await bench.clock.settle();
    expect([before.text.includes('data: 1'), before.ended]).toEqual([true, false]);
    expect([after.text.includes('data: 2'), after.ended]).toEqual([true, true]);
  });

  it('refuses a map that lacks a stream', () => {
    const { feed } = createBench();
    expect(() => feed.setStreams({} as never)).toThrow('has no source');
  });
});

describe('an option', () => {
  const channel = defineChannel({ a: z.string() });
  const create = (options: object) => () => createFeed(channel, options as never);

  it('that no feed has is named: a misspelt authorize would let in everybody', () => {
    expect(create({ authorise: () => false })).toThrow(
      /no option "authorise"; its options are path, context, authorize, /,
    );
    expect(create({ toString: () => '' })).toThrow(/no option "toString"/);
  });

  it.each([
    [{ authorize: true }, 'authorize must be a function, not boolean.'],
    [{ context: {} }, 'context must be a function, not object.'],
    [{ onError: 'log' }, 'onError must be a function, not string.'],
    [{ path: 5 }, 'path must be like "/events", not 5.'],
    [{ maxConnections: '5' }, 'maxConnections must be a number, not string.'],
    [{ log: 'memory' }, 'log must be an object, not string.'],
    [{ streams: null }, 'streams must be an object, not null.'],
  ])('of another type is refused: %j', (options, message) => {
    expect(create(options)).toThrow(message);
  });

  it('that is undefined is as good as none', async () => {
    const feed = create({ path: undefined, authorize: undefined, log: undefined, pingMs: undefined })();
    expect(feed.stats().connections).toBe(0);
    await feed.close();
  });
});

describe('a hook that ends its connection', () => {
  it('at its opening is told of no subscription', async () => {
    const told: string[] = [];
    const bench = createBench({
      onOpen: () => void bench.feed.disconnect(() => true),
      onSubscribe: (_connection, address) => told.push(address),
      onClose: (_connection, reason) => told.push(reason),
    });
    const tap = await bench.open('/events?topic=notice&topic=tick%3Fkey%3Da');
    await bench.clock.settle();
    expect([told, tap.ended]).toEqual([['disconnected'], true]);
  });

  it('at a subscription starts no source, and hears of no other', async () => {
    const told: string[] = [];
    let runs = 0;
    const bench = createBench({
      streams: {
        *report() {},
        *tick() {
          yield (runs += 1);
        },
      },
      onSubscribe: (_connection, address) => {
        told.push(address);
        bench.feed.disconnect(() => true);
      },
    });
    await bench.open('/events?topic=tick%3Fkey%3Da&topic=tick%3Fkey%3Db');
    await bench.clock.settle();
    await bench.open('/events?topic=notice&topic=other');
    expect([told, runs]).toEqual([['tick~a', 'notice'], 0]);
  });
});
