import { describe, expect, it } from 'vitest';
import { createBench, post, type Bench } from '../../../test-kit/feed-bench.ts';
import type { Tap } from '../../../test-kit/tap.ts';
import { memoryLog } from '../log/memory-log.ts';

/**
 * A bench with a report that runs until it is ended. On the connection, the report waits until a gap is announced, and
 * the gap waits for room.
 */
async function openBehindGap(): Promise<{
  readonly bench: Bench<undefined>;
  readonly tap: Tap;
  readonly signals: AbortSignal[];
  readonly change: (body: object) => Promise<void>;
  readonly drain: () => Promise<void>;
}> {
  const signals: AbortSignal[] = [];
  const bench = createBench({
    streams: {
      async *report({ signal }) {
        signals.push(signal);
        yield { step: signals.length };
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    },
  });
  await bench.feed.publish('other', { n: 1 });
  const topics = [
    { address: 'other', from: 'zzz.1' },
    { address: 'report?year=1', key: 'k' },
  ];
  const tap = await bench.open('/events', post({ topics }), { roomBytes: 10 });
  const { connection } = tap;
  expect(signals).toEqual([]);
  return {
    bench,
    tap,
    signals,
    async change(body) {
      await bench.ask('/events', post({ connection, n: 1, ...body }));
    },
    async drain() {
      for (let turn = 0; turn < 20; turn += 1) {
        tap.drain();
        await bench.clock.settle();
      }
    },
  };
}

describe('a stream that waits for the announcement of a gap', () => {
  it('a stream that waits for a gap starts after the gap is announced', async () => {
    const { tap, signals, drain } = await openBehindGap();
    await drain();
    expect(signals).toHaveLength(1);
    const events = tap.events;
    expect(events.indexOf('report~k')).toBeGreaterThan(events.indexOf('linefeed.gap'));
  });

  it('a stream that waits for a gap does not start after it was removed', async () => {
    const { signals, change, drain } = await openBehindGap();
    await change({ remove: ['report~k'] });
    await drain();
    expect(signals).toEqual([]);
  });

  it('a stream that waits for a gap reserves its key, and ends with its connection', async () => {
    const { tap, signals, change, drain } = await openBehindGap();
    await change({ add: [{ address: 'report?year=2', key: 'k' }] });
    await drain();
    expect(tap.dataOf('linefeed.error')).toMatchObject([{ code: 'key_in_use' }]);
    tap.leave();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it('a stream that waits for a gap reserves its key within its opening', async () => {
    const { open, clock } = createBench();
    const topics = [
      { address: 'notice', from: 'zzz.1' },
      { address: 'report?year=1', key: 'k' },
      { address: 'report?year=2', key: 'k' },
    ];
    const tap = await open('/events', post({ topics }));
    await clock.settle();
    expect(tap.dataOf('linefeed.error')).toMatchObject([{ code: 'key_in_use' }]);
    expect(tap.of('report~k')).toHaveLength(1);
  });
});

describe('a control request that times out', () => {
  it('a control request that times out adds and removes nothing, and its number may be sent again', async () => {
    let decide: (allowed: boolean) => void = () => undefined;
    let asked = 0;
    const { open, feed, clock } = createBench({
      requestTimeoutMs: 1_000,
      authorize: ({ topic }) => {
        if (topic !== 'other') return true;
        asked += 1;
        return asked === 1 ? new Promise<boolean>(() => {}) : new Promise((resolve) => (decide = resolve));
      },
    });
    const tap = await open('/events/notice');
    const { connection } = tap;
    const body = { connection, n: 1, add: [{ address: 'other' }], remove: ['notice'] };
    const send = (): Promise<Response> => feed.handle(new Request('http://feed.test/events', post(body)));
    const untilAsked = async (times: number): Promise<void> => {
      while (asked < times) {
        await new Promise((resolve) => setImmediate(resolve));
        await clock.settle();
      }
    };
    const first = send();
    await untilAsked(1);
    await clock.advance(1_001);
    expect((await first).status).toBe(503);
    await feed.publish('notice', { text: 'still here' });
    await clock.settle();
    expect(tap.payloads).toEqual([{ text: 'still here' }]);
    expect(tap.of('linefeed.end')).toEqual([]);

    const second = send();
    await untilAsked(2);
    decide(true);
    expect((await second).status).toBe(202);
    await clock.settle();
    expect(tap.of('linefeed.end')).toMatchObject([{ data: { address: 'notice', n: 1 } }]);
    expect(tap.of('linefeed.subscribed').at(-1)).toMatchObject({ data: { address: 'other', n: 1 } });
  });
});

describe('a source that yields at once', () => {
  const streams = {
    *report() {
      yield { step: 1 };
    },
    *tick() {
      yield 1;
    },
  };
  const keyed = [
    { address: 'tick', key: 'a' },
    { address: 'nothing' },
    { address: 'report?year=1', key: 'b' },
    { address: 'tick', key: 'c', from: '~!' },
  ];

  it('a source writes nothing before its opening has answered every entry', async () => {
    const { open } = createBench({ streams });
    const tap = await open('/events', post({ topics: [...keyed, { address: 'notice' }] }));
    expect(tap.events).toEqual([
      'linefeed.hello',
      'linefeed.subscribed',
      'linefeed.error',
      'linefeed.subscribed',
      'linefeed.subscribed',
      'linefeed.subscribed',
      'tick~a',
      'report~b',
      'linefeed.end',
      'linefeed.end',
      'linefeed.end',
    ]);
  });

  it('a source writes nothing before its control request has answered every entry', async () => {
    const { open, ask, clock } = createBench({ streams });
    const tap = await open('/events/notice');
    const { connection } = tap;
    await ask('/events', post({ connection, n: 1, add: [...keyed, { address: 'other' }] }));
    await clock.settle();
    const events = tap.events;
    const first = events.indexOf('tick~a');
    expect(events.slice(2, first).toSorted()).toEqual([
      'linefeed.error',
      ...Array.from({ length: 4 }, () => 'linefeed.subscribed'),
    ]);
    expect(events.slice(first).filter((event) => event === 'linefeed.subscribed')).toEqual([]);
  });

  it.each([
    ['an unusable cursor', 'elsewhere.1', undefined],
    ['an unusable cursor of an entry with a key', 'elsewhere.1', 'o'],
    ['evicted events', 'earliest', undefined],
    ['evicted events of an entry with a key', 'earliest', 'o'],
  ])('a source writes nothing before the gaps of its opening: %s', async (_name, from, key) => {
    const { feed, open, clock, publishNumbers } = createBench({ streams, log: memoryLog({ maxEvents: 2 }) });
    await publishNumbers(1, 5);
    const topics = [
      { address: 'tick', key: 'a' },
      { address: 'price?symbol=A', key: 'p' },
      { address: 'notice', key: 'n' },
      { address: 'other', from, ...(key && { key }) },
    ];
    const tap = await open('/events', post({ topics, last_event_id: feed.cursor() }));
    await clock.settle();
    const events = tap.events;
    expect(events).toContain('linefeed.gap');
    expect(events.indexOf('tick~a')).toBeGreaterThan(events.lastIndexOf('linefeed.gap'));
  });
});
