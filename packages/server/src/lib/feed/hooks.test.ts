import { describe, expect, it } from 'vitest';
import { createBench, post, type Bench, type BenchOptions } from '../../../test-kit/feed-bench.ts';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { memoryLog } from '../log/memory-log.ts';
import { coreOf } from './feed.ts';

const FOREIGN = 'elsewhere.1';

interface Scene {
  readonly log: ScriptedLog;
  readonly bench: Bench<undefined>;
  /** Ends every connection, as a hook of the application does. */
  readonly end: () => void;
}

/** A feed with room for one connection, and a way to end it. */
function createScene(options: (end: () => void) => BenchOptions<undefined>): Scene {
  const log = new ScriptedLog();
  const end = (): void => void bench.feed.disconnect(() => true);
  const bench: Bench<undefined> = createBench({ log, maxConnections: 1, ...options(end) });
  return { log, bench, end };
}

/** Fails if any part of the feed still refers to a connection that was ended. */
async function expectNoTrace({ bench }: Scene, tap: Tap): Promise<void> {
  const { feed, clock } = bench;
  expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'disconnected' } }]);
  expect(tap.ended).toBe(true);
  const { hub } = coreOf(feed);
  expect([hub.subscriberCount, hub.routeCount]).toEqual([0, 0]);
  const before = tap.writes.length;
  await feed.publish('notice', { text: 'later' });
  await feed.publish('other', { n: 100 });
  await clock.advance(60_000);
  expect(tap.writes).toHaveLength(before);
  expect(feed.stats().connections).toBe(0);
  expect(clock.pending).toBe(0);
  // The only connection slot is free again.
  const next = await bench.open('/events?topic=notice&topic=other');
  expect(next.frames[0]!.event).toBe('linefeed.hello');
}

/** Calls `call` at the first call only. */
function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}

describe('a connection that a callback disconnects', () => {
  it('a connection leaves no state after onOpen disconnects it', async () => {
    const scene = createScene((end) => ({ onOpen: once(end) }));
    const tap = await scene.bench.open('/events?topic=notice&topic=tick%3Fkey%3Dt');
    await expectNoTrace(scene, tap);
  });

  it.each(['/events?topic=notice&topic=other', '/events?topic=notice&topic=tick%3Fkey%3Dt', '/events/tick'])(
    'a connection leaves no state after onSubscribe disconnects it: %s',
    async (url) => {
      const scene = createScene((end) => ({ onSubscribe: once(end) }));
      const tap = await scene.bench.open(url);
      await expectNoTrace(scene, tap);
    },
  );

  it('a connection leaves no state after onSubscribe of an added address disconnects it', async () => {
    const scene = createScene((end) => ({
      onSubscribe: (_connection, address) => void (address === 'other' && end()),
    }));
    const { bench } = scene;
    const tap = await bench.open('/events/notice');
    const add = [{ address: 'other' }, { address: 'room?name=a' }, { address: 'tick', key: 't' }];
    const answer = await bench.ask('/events', post({ connection: tap.connection, n: 1, add }));
    expect(answer.status).toBe(503);
    await bench.clock.settle();
    expect(tap.of('linefeed.reconnect')).toHaveLength(1);
    const { hub } = coreOf(bench.feed);
    expect([hub.subscriberCount, hub.routeCount]).toEqual([0, 0]);
  });

  it('a connection leaves no state after onGap disconnects it in an opening without a replay', async () => {
    const scene = createScene((end) => ({ onGap: once(end) }));
    // No page is read: the cursor is ahead of the log.
    const tap = await scene.bench.open(
      `/events?topic=other&topic=notice&last_event_id=${scene.log.epoch}.99`,
    );
    expect(tap.of('linefeed.gap')).toHaveLength(2);
    await expectNoTrace(scene, tap);
  });

  it('a connection leaves no state after onGap disconnects it in an opening with a replay', async () => {
    const scene = createScene((end) => ({ onGap: once(end) }));
    await scene.bench.feed.publish('other', { n: 1 });
    const tap = await scene.bench.open(`/events?topic=other&topic=notice&last_event_id=${FOREIGN}`);
    expect(tap.of('linefeed.gap')).toHaveLength(2);
    await expectNoTrace(scene, tap);
  });

  it('a connection leaves no state after onGap of an added address disconnects it', async () => {
    const scene = createScene((end) => ({ onGap: once(end) }));
    const { bench } = scene;
    const tap = await bench.open('/events/notice');
    const add = [{ address: 'other', from: `${scene.log.epoch}.99` }];
    await bench.control(tap, { add });
    await expectNoTrace(scene, tap);
  });

  it.each(['rollBack', 'startAnew'] as const)(
    'a connection leaves no state after onGap of a log reset disconnects it: %s',
    async (reset) => {
      const scene = createScene((end) => ({ onGap: once(end) }));
      const { bench, log } = scene;
      for (let n = 1; n <= 3; n += 1) await bench.feed.publish('other', { n });
      const tap = await bench.open('/events?topic=other&topic=notice');
      if (reset === 'rollBack') log.rollBack(1);
      else log.startAnew();
      await bench.clock.settle();
      expect(tap.of('linefeed.gap').length).toBeGreaterThan(0);
      await expectNoTrace(scene, tap);
    },
  );

  it('a connection leaves no state after the first pull of a source disconnects it', async () => {
    const scene = createScene((end) => ({
      streams: {
        *tick() {
          end();
          yield 1;
        },
      },
    }));
    const tap = await scene.bench.open('/events?topic=notice&topic=tick%3Fkey%3Dt&topic=other');
    expect(tap.of('tick~t')).toEqual([]);
    await expectNoTrace(scene, tap);
  });

  it('a connection leaves no state after authorize disconnects it before it opens', async () => {
    const scene = createScene((end) => ({
      authorize: ({ topic }) => {
        if (topic === 'room') end();
        return true;
      },
    }));
    const tap = await scene.bench.open('/events?topic=notice&topic=room%3Fname%3Da');
    await expectNoTrace(scene, tap);
  });

  it('a connection leaves no state after onClose of another connection disconnects it', async () => {
    const scene = createScene((end) => ({ onClose: once(end), maxConnections: 2 }));
    const { bench } = scene;
    const first = await bench.open('/events?topic=notice&topic=tick%3Fkey%3Dt');
    const second = await bench.open('/events?topic=notice&topic=other');
    first.leave();
    await bench.clock.settle();
    await expectNoTrace(scene, second);
  });

  it('a connection leaves no state after its response closes during the opening', async () => {
    const scene = createScene(() => ({ maxSubscriptions: 1_000 }));
    const { bench } = scene;
    const topics = Array.from({ length: 300 }, (_, index) => ({
      address: `room?name=${'x'.repeat(60)}${index}`,
    }));
    const { body } = await bench.ask('/events', post({ topics }));
    const tap = new Tap();
    const write = tap.write.bind(tap);
    tap.write = (bytes) => {
      write(bytes);
      tap.leave();
    };
    if (typeof body === 'function') body(tap);
    await bench.clock.settle();
    const { hub } = coreOf(bench.feed);
    expect([hub.subscriberCount, hub.routeCount, bench.clock.pending]).toEqual([0, 0, 0]);
    expect(bench.feed.stats().connections).toBe(0);
  });
});

describe('a hook that publishes', () => {
  it('an event published in onGap of a log reset reaches every connection once', async () => {
    const log = new ScriptedLog();
    const bench = createBench({
      log,
      onGap: once(() => void bench.feed.publish('other', { n: 7 })),
    });
    const taps = [await bench.open('/events/other'), await bench.open('/events/other')];
    for (let n = 1; n <= 3; n += 1) await bench.feed.publish('other', { n });
    await bench.clock.settle();
    log.rollBack(2);
    await bench.clock.settle();
    for (const tap of taps) {
      const told = tap.frames.filter(({ event }) => event === 'other' || event === 'linefeed.gap');
      expect(told.map(({ data }) => (data as { n?: number }).n)).toEqual([1, 2, 3, undefined, 7]);
    }
  });
});

it('hooks are called in order, and one that throws does not break the feed', async () => {
  const told: unknown[] = [];
  const failure = new Error('a hook that throws');
  const { feed, open, errors, clock } = createBench({
    context: () => ({ principal: 'ann' }),
    log: memoryLog({ maxEvents: 1 }),
    onOpen: ({ principal, events }) => told.push(['open', principal, events]),
    onSubscribe: (_connection, address) => told.push(['subscribe', address]),
    onGap: (_connection, gap) => told.push(['gap', gap.address, gap.reason]),
    onClose: (_connection, reason) => {
      told.push(['close', reason]);
      throw failure;
    },
  });
  const start = feed.cursor();
  await feed.publish('other', { n: 1 });
  await feed.publish('other', { n: 2 });
  const tap = await open(`/events/other?from=${start}`);
  tap.leave();
  await clock.settle();
  expect(told).toEqual([
    ['open', 'ann', ['other']],
    ['subscribe', 'other'],
    ['gap', 'other', 'trimmed'],
    ['close', 'client'],
  ]);
  expect(errors).toEqual([failure]);
});
