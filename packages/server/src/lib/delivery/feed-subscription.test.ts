import { defineChannel, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { logWith, ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { createFeed } from '../feed/create-feed.ts';
import type { FeedEvent } from './feed-subscription.ts';
import type { Log, TailListener } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { coreOf } from '../feed/feed.ts';

type Events = AsyncIterator<FeedEvent<unknown>, unknown>;

const iterate = (events: AsyncIterable<FeedEvent<unknown>>): Events => events[Symbol.asyncIterator]();

describe('feed.subscribe()', () => {
  it('feed.subscribe() yields history from its cursor before live events', async () => {
    const { feed, clock } = createBench();
    await feed.publish('other', { n: 1 });
    const cursor = feed.cursor();
    await feed.publish('other', { n: 2 });
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { data } of feed.subscribe('other', { from: cursor, signal: stop.signal }))
        seen.push(data);
    })();
    await clock.settle();
    await feed.publish('other', { n: 3 });
    await clock.settle();
    stop.abort();
    await following;
    expect(seen).toEqual([{ n: 2 }, { n: 3 }]);
  });

  it('feed.subscribe() ends when the feed closes, with or without a pending next()', async () => {
    const { feed, clock } = createBench();
    const waiting = iterate(feed.subscribe('other'));
    const untouched = iterate(feed.subscribe('other'));
    const next = waiting.next();
    await clock.settle();
    await feed.close();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(await waiting.next()).toEqual({ done: true, value: undefined });
    expect(await untouched.next()).toEqual({ done: true, value: undefined });
    expect(await iterate(feed.subscribe('other')).next()).toEqual({ done: true, value: undefined });
  });

  it('feed.subscribe() yields events that were published before the feed closed', async () => {
    const { feed } = createBench();
    const events = iterate(feed.subscribe('other'));
    const first = events.next();
    await feed.publish('other', { n: 1 });
    expect(await first).toMatchObject({ value: { data: { n: 1 } } });
    await feed.close();
    expect(await events.next()).toMatchObject({ done: true });
  });

  it('return() ends feed.subscribe() at once, even with a pending next()', async () => {
    const { feed, clock } = createBench();
    const events = iterate(feed.subscribe('other'));
    const next = events.next();
    await clock.settle();
    const left = events.return!();
    await clock.settle();
    await expect(Promise.race([next, clock.settle().then(() => 'hangs')])).resolves.toEqual({
      done: true,
      value: undefined,
    });
    expect(await left).toEqual({ done: true, value: undefined });
    await feed.publish('other', { n: 1 });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it.each(['read', 'newest'] as const)(
    'return() ends feed.subscribe() at once, even if %s of the log does not answer',
    async (name) => {
      const inner = memoryLog();
      const log = logWith(inner, { [name]: () => new Promise(() => undefined) });
      const { feed, clock } = createBench({ log });
      const events = iterate(feed.subscribe('other', { from: `${inner.epoch}.5`, onGap: () => undefined }));
      const next = events.next();
      await clock.settle();
      const left = events.return!();
      await clock.settle();
      const hangs = clock.settle().then(() => 'hangs');
      expect(await Promise.race([left, hangs])).toEqual({ done: true, value: undefined });
      expect(await next).toEqual({ done: true, value: undefined });
      expect(coreOf(feed).hub.subscriberCount).toBe(0);
    },
  );

  it('feed.subscribe() may be the source of a stream, and is returned with its subscription', async () => {
    const bench = createBench({
      streams: {
        tick: () => {
          const events = iterate(bench.feed.subscribe('other'));
          const source = {
            next: () => events.next().then(({ done }) => ({ value: done === true ? 0 : 1, done })),
            return: async () => {
              left.push(await events.return!());
              return { done: true, value: 0 };
            },
            [Symbol.asyncIterator]: () => source,
          };
          return source as AsyncIterable<number>;
        },
      },
    });
    const left: unknown[] = [];
    const tap = await bench.open('/events/tick');
    await bench.clock.settle();
    tap.leave();
    await bench.clock.settle();
    expect(left).toEqual([{ done: true, value: undefined }]);
  });

  it('return() removes feed.subscribe() from the hub, and later publishes cause no read for it', async () => {
    const log = memoryLog();
    let reads = 0;
    const { feed, clock } = createBench({
      log: logWith(log, {
        read: (query) => {
          reads += 1;
          return log.read(query);
        },
      }),
    });
    const hub = coreOf(feed).hub;
    const joined: string[] = [];
    const leave = hub.leave.bind(hub);
    const remove = hub.remove.bind(hub);
    hub.leave = (address, subscriber) => (joined.push(`left ${address}`), leave(address, subscriber));
    hub.remove = (subscriber) => (joined.push('removed'), remove(subscriber));
    const events = iterate(feed.subscribe('other'));
    const next = events.next();
    await feed.publish('other', { n: 1 });
    await next;
    await events.return!();
    const before = reads;
    await feed.publish('other', { n: 2 });
    await clock.settle();
    expect([joined, reads]).toEqual([['left other', 'removed'], before]);
  });

  it('feed.subscribe() drops the rest of its page and calls onGap when the log rolls back', async () => {
    let told: TailListener | undefined;
    const log = memoryLog();
    const { feed, publishNumbers } = createBench({
      log: logWith(log, {
        tail: (listener) => {
          told = listener;
          return log.tail(listener);
        },
      }),
    });
    await publishNumbers(1, 3);
    const seen: unknown[] = [];
    const onGap = ({ reason }: { reason: string }): number => seen.push(reason);
    const events = iterate(feed.subscribe('other', { from: 'earliest', onGap }));
    const next = async (): Promise<number> => seen.push((await events.next()).value);
    await next();
    told!.onReset('rollback', await log.newest());
    const waiting = next();
    await feed.publish('other', { n: 4 });
    await waiting;
    // 2 and 3 are on the page that was read before the rollback removed them.
    expect(seen).toMatchObject([{ data: { n: 1 } }, 'rollback', { data: { n: 4 } }]);
  });

  it('feed.subscribe() announces a reset of the log in each microtask of its start', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      const log = new ScriptedLog();
      const { feed, clock, publishNumbers } = createBench({ log });
      await publishNumbers(1, 3);
      const gaps: string[] = [];
      const onGap = ({ reason }: { reason: string }): number => gaps.push(reason);
      const events = iterate(feed.subscribe('other', { onGap }));
      const seen: unknown[] = [];
      const next = events.next().then(({ value }) => seen.push(value));
      for (let count = 0; count < microtasks; count += 1) await Promise.resolve();
      log.startAnew([{ address: 'other', data: '{"n":101}', keep: 'all' }]);
      await clock.settle();
      await feed.publish('other', { n: 102 });
      await clock.settle();
      expect([microtasks, gaps, seen]).toMatchObject([microtasks, ['epoch'], [{ data: { n: 101 } }]]);
      await feed.close();
      await next;
    }
  });

  it.each([5, null, {}])('a `from` that is not a string is refused: %o', (from) => {
    const { feed } = createBench();
    expect(() => feed.subscribe('other', { from: from as never })).toThrow(
      expect.objectContaining({
        code: 'invalid_option',
        message: expect.stringContaining('from must be'),
      }) as Error,
    );
  });

  it('feed.subscribe() starts at the tail at the time of its call, not of the first next()', async () => {
    const { feed } = createBench();
    await feed.publish('other', { n: 1 });
    const events = iterate(feed.subscribe('other'));
    await feed.publish('other', { n: 2 });
    expect(await events.next()).toMatchObject({ value: { data: { n: 2 } } });
  });

  it('feed.subscribe() yields the newest value of keep: latest first, once', async () => {
    const { feed } = createBench();
    for (let bid = 1; bid <= 3; bid += 1) await feed.publish('price', { symbol: 'A' }, { bid });
    const events = iterate(feed.subscribe('price', { params: { symbol: 'A' } }));
    expect(await events.next()).toMatchObject({ value: { data: { bid: 3 } } });
    const next = events.next();
    await feed.publish('price', { symbol: 'A' }, { bid: 4 });
    expect(await next).toMatchObject({ value: { data: { bid: 4 } } });
  });

  it('feed.subscribe() yields the newest value of keep: latest after a gap', async () => {
    const { feed } = createBench();
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    const gaps: string[] = [];
    const onGap = ({ reason }: { reason: string }) => gaps.push(reason);
    const from = 'not a cursor';
    const events = iterate(feed.subscribe('price', { params: { symbol: 'A' }, from, onGap }));
    expect(await events.next()).toMatchObject({ value: { data: { bid: 1 } } });
    expect(gaps).toEqual(['unknown']);
  });

  it('a `from` that is not a cursor is refused with a suggestion', async () => {
    const { feed } = createBench();
    await expect(iterate(feed.subscribe('other', { from: 'latest' })).next()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('"latest" is not a cursor; did you mean "now"'),
    });
  });

  it('next() rejects when an asynchronous schema refuses the params, without an unhandled rejection', async () => {
    const params = z.object({ name: z.string().refine(async (name) => name !== 'bad') });
    const channel = defineChannel({ room: topic({ params, data: z.string() }) });
    const feed = createFeed(channel, {});
    const events = iterate(feed.subscribe('room', { params: { name: 'bad' } }));
    // A rejection without a handler is reported as unhandled by now, and fails this file.
    await new Promise((resolve) => setImmediate(resolve));
    await expect(events.next()).rejects.toMatchObject({ code: 'invalid_params' });
    await feed.close();
  });

  it('feed.subscribe() reads pages of 100 events and 256 KiB, the next one on demand', async () => {
    const log = memoryLog();
    const reads: unknown[] = [];
    const { feed, publishNumbers } = createBench({
      log: logWith(log, {
        read: (query) => {
          reads.push([query.limit, query.maxBytes]);
          return log.read(query);
        },
      }),
    });
    await publishNumbers(1, 101);
    const events = iterate(feed.subscribe('other', { from: 'earliest' }));
    for (let n = 1; n <= 100; n += 1) expect(await events.next()).toMatchObject({ value: { data: { n } } });
    expect(reads).toEqual([[100, 256 * 1024]]);
    expect(await events.next()).toMatchObject({ value: { data: { n: 101 } } });
    expect(reads).toHaveLength(2);
    await events.return?.();
  });

  it('onGap is called before any event of a new epoch, and each cursor has the epoch of its event', async () => {
    const logs = [memoryLog(), memoryLog()] as const;
    let current: Log = logs[0];
    let told: TailListener | undefined;
    const { feed, clock } = createBench({
      log: {
        get epoch() {
          return current.epoch;
        },
        append: (entries) => current.append(entries),
        read: (query) => current.read(query),
        newest: () => current.newest(),
        tail: (listener) => {
          told = listener;
          return logs[0].tail(listener);
        },
      },
    });
    await feed.publish('other', { n: 1 });
    const old = feed.cursor();
    const gaps: unknown[] = [];
    const events = iterate(feed.subscribe('other', { from: 'earliest', onGap: (gap) => gaps.push(gap) }));
    expect(await events.next()).toMatchObject({ value: { cursor: old } });
    // The log has a new numbering already, and the tail has not reported it yet.
    current = logs[1];
    await current.append([{ address: 'other', data: '{"n":2}', keep: 'all' }]);
    const next = events.next();
    await clock.settle();
    expect(gaps).toEqual([]);
    told!.onReset('epoch', await current.newest());
    expect(await next).toEqual({
      done: false,
      value: { data: { n: 2 }, address: 'other', cursor: `${logs[1].epoch}.1` },
    });
    expect(gaps).toEqual([{ address: 'other', from: old, to: `${logs[1].epoch}.0`, reason: 'epoch' }]);
  });
});
