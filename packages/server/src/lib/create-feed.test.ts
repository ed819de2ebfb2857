import { defineChannel, stream, type AnyChannel } from '@linefeed/shared';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { createBench } from '../../test-kit/feed-bench.ts';
import { createFeed } from './create-feed.ts';

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

  it('without authorize says so in production, once for each channel and path', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const warn = spyOnWarnings();
    const open = (channel: AnyChannel, path: string) => createFeed(channel, { path } as never).close();
    const [a, b] = [defineChannel({ a: z.string() }), defineChannel({ b: z.string() })];
    for (const [channel, path] of [
      [a, '/a'],
      [a, '/a'],
      [a, '/admin'],
      [b, '/a'],
    ] as const)
      await open(channel, path);
    expect(warn.mock.calls.map(([text]) => /the feed at (\S+) has no `authorize`/.exec(text)?.[1])).toEqual([
      '/a',
      '/admin',
      '/a',
    ]);
  });
});

describe('an option', () => {
  const channel = defineChannel({ a: z.string() });
  const create = (options: object) => () => createFeed(channel, options as never);

  it('that no feed has is named: a misspelt authorize would let in everybody', () => {
    expect(create({ authorise: () => false })).toThrow(
      /no option "authorise"; options are path, context, authorize, /,
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
    const tap = await bench.open('/events?topic=notice&topic=tick&key=a');
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
    await bench.open('/events?topic=tick&key=a&topic=tick&key=b');
    await bench.clock.settle();
    await bench.open('/events?topic=notice&topic=other');
    expect([told, runs]).toEqual([['tick~a', 'notice'], 0]);
  });
});
