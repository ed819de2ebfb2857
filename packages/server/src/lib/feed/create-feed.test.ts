import { defineChannel, stream, type AnyChannel } from '@linefeed/shared';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { createFeed } from './create-feed.ts';
import type { Log } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';

const spyOnWarnings = () => vi.spyOn(console, 'warn').mockImplementation(() => undefined);

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe('topics named like members of Object.prototype', () => {
  it.each(['valueOf', 'constructor', 'toString'])('a stream named %s needs a source of its own', (name) => {
    const channel = defineChannel({ [name]: stream({ data: z.string() }) });
    expect(() => createFeed(channel as AnyChannel, { streams: {} } as never)).toThrow(
      `"${name}" has no source`,
    );
  });

  it.each(['valueOf', 'constructor', '__proto__'])(
    'subscriptions of a topic named %s are counted',
    async (name) => {
      const { topics } = defineChannel({ a: z.string() });
      const feed = createFeed({ topics: new Map([[name, topics.get('a')!]]) }, {});
      const response = await feed.handle(new Request(`http://feed.test/events/${name}`));
      const { subscriptions } = feed.stats();
      expect(Object.entries(subscriptions)).toEqual([[name, 1]]);
      await response.body!.cancel();
      await feed.close();
    },
  );
});

describe('createFeed', () => {
  it('publish returns a cursor in the epoch of its append when the log resets before it resolves', async () => {
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
      newest: () => inner.newest(),
      tail: (listener) => inner.tail(listener),
    };
    const feed = createFeed(defineChannel({ a: z.string() }), { log });
    await expect(feed.publish('a', 'x')).resolves.toEqual({ cursor: `${inner.epoch}.1`, duplicate: false });
    await feed.close();
  });

  it('a createFeed call that throws does not count as an open feed of its channel', async () => {
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
    'a feed without authorize warns in %s at its first request, once per channel and path',
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
        expect.stringContaining('If that is intended, set authorize: () => true.'),
      );
      expect(warn.mock.calls.map(([text]) => /the feed at (\S+) has no `authorize`/.exec(text)?.[1])).toEqual(
        ['/a', '/admin', '/a'],
      );
    },
  );
});

it('a feed without authorize does not warn when it serves no request', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  const warn = spyOnWarnings();
  await createFeed(defineChannel({ a: z.string() })).close();
  expect(warn).not.toHaveBeenCalled();
});

it('createFeed needs no options for a channel without streams', async () => {
  const feed = createFeed(defineChannel({ a: z.string() }));
  await expect(feed.publish('a', 'x')).resolves.toMatchObject({ duplicate: false });
  await feed.close();
});

describe('invalid arguments from JavaScript', () => {
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
      'createFeed with sources in place of streams',
      'A feed has no option "sources"; the sources of its streams go into streams.',
      () => create(channel, { sources: { a() {} } }),
    ],
    [
      'createFeed with a log without tail()',
      'log must be a log, such as memoryLog()',
      () => create(channel, { log: {} }),
    ],
    [
      'publish with null as options',
      'publish takes its options as an object',
      () => misused['publish']!('a', 'x', null),
    ],
    ['publish with a string as options', 'not string', () => misused['publish']!('a', 'x', 'key')],
    [
      'publish with a misspelt option',
      'no option "idempotencykey"; its options are idempotencyKey',
      () => misused['publish']!('a', 'x', { idempotencykey: 'k' }),
    ],
    [
      'subscribe with null as options',
      'subscribe takes its options as an object',
      () => misused['subscribe']!('a', null),
    ],
    [
      'subscribe with a misspelt option',
      'subscribe has no option "form"',
      () => misused['subscribe']!('a', { form: 'now' }),
    ],
    ['disconnect without a predicate', 'disconnect takes a function', () => misused['disconnect']!()],
    ['close with null as options', 'close takes its options as an object', () => misused['close']!(null)],
    ['close with a misspelt option', 'close has no option "grace"', () => misused['close']!({ grace: 1 })],
    [
      'close with a graceMs of NaN',
      'graceMs of close must be a number from 0 up, not NaN',
      () => misused['close']!({ graceMs: NaN }),
    ],
    [
      'handle with a request object of Node',
      'use toNodeHandler(feed)',
      () => misused['handle']!({ url: '/events', headers: {} }),
    ],
  ])('%s is refused as invalid_option', async (_name, message, call) => {
    const attempt = async () => await call();
    await expect(attempt()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });
});

describe('setStreams', () => {
  it('setStreams gives new subscriptions the new source, while a running one keeps its own', async () => {
    const bench = createBench({
      streams: {
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

  it('setStreams refuses a map without a source for every stream', () => {
    const { feed } = createBench();
    expect(() => feed.setStreams({} as never)).toThrow('has no source');
  });
});

describe('options of createFeed', () => {
  const channel = defineChannel({ a: z.string() });
  const create = (options: object) => () => createFeed(channel, options as never);

  it('an unknown option is refused with its name, such as a misspelt authorize', () => {
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
    [{ maxConnections: '5' }, 'maxConnections must be a number or false, not string.'],
    [{ log: 'memory' }, 'log must be an object, not string.'],
    [{ streams: null }, 'streams must be an object, not null.'],
  ])('an option of the wrong type is refused: %j', (options, message) => {
    expect(create(options)).toThrow(message);
  });

  it('an option that is undefined counts as not given', async () => {
    const feed = create({ path: undefined, authorize: undefined, log: undefined, pingMs: undefined })();
    expect(feed.stats().connections).toBe(0);
    await feed.close();
  });
});

describe('a hook that disconnects its own connection', () => {
  it('onSubscribe is not called after onOpen disconnects the connection', async () => {
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

  it('no source and no further onSubscribe runs after onSubscribe disconnects the connection', async () => {
    const told: string[] = [];
    let runs = 0;
    const bench = createBench({
      streams: {
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
