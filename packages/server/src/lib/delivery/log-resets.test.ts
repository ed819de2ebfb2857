import { comparePositions, parseCursor } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createBench, range } from '../../../test-kit/feed-bench.ts';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import type { Tap } from '../../../test-kit/tap.ts';

/** A source that yields when the test calls `tick`. */
function createTicks(): { source: () => AsyncGenerator<number>; tick: () => void } {
  let yieldNow: () => void = () => undefined;
  return {
    async *source() {
      for (let n = 1; ; n += 1) {
        await new Promise<void>((resolve) => (yieldNow = resolve));
        yield n;
      }
    },
    tick: () => yieldNow(),
  };
}

describe('a connection with only a stream during a log reset', () => {
  async function openAndStartAnew(before: number): Promise<{
    log: ScriptedLog;
    bench: ReturnType<typeof createBench>;
    tap: Tap;
    add: (entry: object) => Promise<void>;
    publish: (from: number, to: number) => Promise<void>;
  }> {
    const log = new ScriptedLog();
    const ticks = createTicks();
    const bench = createBench({ log, streams: { tick: ticks.source } });
    const publish = async (from: number, to: number): Promise<void> => {
      for (let n = from; n <= to; n += 1) await bench.feed.publish('other', { n });
      await bench.clock.settle();
    };
    await publish(1, before);
    const tap = await bench.open('/events?topic=tick%3Fkey%3Dt');
    log.startAnew();
    const add = async (entry: object): Promise<void> => {
      await bench.control(tap, { add: [entry] });
    };
    return { log, bench, tap, add, publish };
  }

  it('an address added with `now` after a log reset is delivered without a loop of reads', async () => {
    const { log, bench, tap, add, publish } = await openAndStartAnew(100);
    await publish(1, 3);
    await add({ address: 'other', from: 'now' });
    await publish(4, 6);
    expect(bench.errors).toEqual([]);
    expect(log.reads).toBeLessThan(5);
    expect(tap.numbers()).toEqual([4, 5, 6]);
  });

  it('an address added without `from` after a log reset gets every event', async () => {
    const { bench, tap, add, publish } = await openAndStartAnew(100);
    await add({ address: 'other' });
    await publish(1, 120);
    expect(bench.errors).toEqual([]);
    expect(tap.numbers()).toEqual(range(1, 120));
    expect(tap.of('linefeed.gap')).toEqual([]);
  });
});

describe('a page that makes no progress', () => {
  it('a page that makes no progress is read again after a delay', async () => {
    const log = new ScriptedLog();
    const { feed, open, clock, errors, publishNumbers } = createBench({ log });
    await publishNumbers(1, 3);
    const read = log.read.bind(log);
    // A lagging replica: it has none of the events that the tail has reported.
    let isLate = true;
    log.read = async (query) => {
      const page = await read(query);
      return isLate ? { ...page, events: [], through: query.after } : page;
    };
    const tap = await open('/events/other?from=earliest');
    const events = feed.subscribe('other', { from: 'earliest' })[Symbol.asyncIterator]();
    const first = events.next();
    await clock.advance(100);
    expect(log.reads).toBeGreaterThan(3);
    expect(log.reads).toBeLessThan(50);
    isLate = false;
    await clock.advance(1_000);
    expect(tap.numbers()).toEqual([1, 2, 3]);
    expect(await first).toMatchObject({ value: { data: { n: 1 } } });
    expect(errors).toEqual([]);
    tap.leave();
    await events.return!();
    await clock.advance(100);
    const { reads } = log;
    await clock.advance(1_000);
    expect(log.reads).toBe(reads);
  });
});

describe('the gap of a log reset', () => {
  it('the gap of a log reset starts at the last event that a slow reader got', async () => {
    const log = new ScriptedLog();
    const { open, clock, publishNumbers, take } = createBench({ log });
    await publishNumbers(1, 900);
    const tap = await open('/events/other?from=earliest', {}, { roomBytes: 1 });
    await take(tap);
    const given = tap.of('other').at(-1)!.id!;
    expect(tap.numbers()).toHaveLength(500);
    log.startAnew();
    await clock.settle();
    await take(tap);
    const [gap] = tap.of('linefeed.gap');
    expect(gap).toMatchObject({ data: { reason: 'epoch' } });
    const { epoch, position } = parseCursor(given)!;
    expect(parseCursor((gap!.data as { from: string }).from)).toMatchObject({ epoch, position });
  });

  it('the gap of a log reset starts after the events of the same tick, which are written first', async () => {
    const log = new ScriptedLog();
    const { feed, open, clock } = createBench({ log });
    const tap = await open('/events/other');
    await feed.publish('other', { n: 1 });
    const cursor = feed.cursor();
    log.startAnew();
    await clock.settle();
    expect(tap.numbers()).toEqual([1]);
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: cursor, reason: 'epoch' } }]);
  });

  it('the gap of a log reset starts at the own position of a rewinding address', async () => {
    const log = new ScriptedLog();
    const { feed, open, publishNumbers, take, takeAll } = createBench({ log });
    await publishNumbers(1, 900);
    const url = `/events?topic=notice&topic=other%3Ffrom%3Dearliest%26key%3Do&last_event_id=${feed.cursor()}`;
    const tap = await open(url, {}, { roomBytes: 1 });
    await take(tap);
    const given = tap.of('other').at(-1)!.id!;
    const shared = feed.cursor();
    log.rollBack(700);
    await takeAll(tap);
    const gaps = tap.of('linefeed.gap').map(({ data }) => data as { address: string; from: string });
    const fromOf = (name: string): string => gaps.find(({ address }) => address === name)!.from;
    expect(fromOf('notice')).toBe(shared);
    expect(parseCursor(fromOf('other'))!.position).toBe(parseCursor(given)!.position);
  });

  it('the gap of a log reset starts at the requested cursor when the gap of the opening is not announced yet', async () => {
    const log = new ScriptedLog();
    const { open, publishNumbers, takeAll } = createBench({ log });
    await publishNumbers(1, 3);
    const tap = await open('/events/other?from=elsewhere.9', {}, { roomBytes: 1 });
    log.startAnew();
    await takeAll(tap);
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: 'elsewhere.9', reason: 'epoch' } }]);
  });

  it('the id of a stream event does not pass a gap that is not announced yet', async () => {
    const log = new ScriptedLog();
    const ticks = createTicks();
    const { feed, open, clock } = createBench({ log, streams: { tick: ticks.source } });
    const tap = await open('/events?topic=other&topic=tick%3Fkey%3Dt');
    await feed.publish('other', { n: 1 });
    await clock.settle();
    const before = feed.cursor();
    let answer: () => void = () => undefined;
    log.beforeAnswer = () => new Promise((resolve) => (answer = resolve));
    log.startAnew([{ address: 'other', data: '{"n":2}', keep: 'all' }]);
    ticks.tick();
    await clock.settle();
    expect(tap.of('linefeed.gap')).toEqual([]);
    const [streamed] = tap.of('tick~t');
    expect(streamed!.id!.split('~')[0]).toBe(before);
    answer();
    await clock.settle();
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: before } }]);
    ticks.tick();
    await clock.settle();
    expect(tap.of('tick~t')[1]!.id!.split('~')[0]).toBe(feed.cursor());
  });

  it('the gap of feed.subscribe() starts at its last event, even if the log is reset twice', async () => {
    const log = new ScriptedLog();
    const { feed, clock, publishNumbers } = createBench({ log });
    const gaps: Array<{ from: string }> = [];
    const onGap = (gap: { from: string }): unknown => gaps.push(gap);
    const events = feed.subscribe('other', { from: 'earliest', onGap })[Symbol.asyncIterator]();
    await publishNumbers(1, 5);
    const first = await events.next();
    let answer: () => void = () => undefined;
    log.beforeAnswer = () => new Promise((resolve) => (answer = resolve));
    log.startAnew();
    const next = events.next();
    await clock.settle();
    log.startAnew();
    log.beforeAnswer = () => undefined;
    answer();
    await feed.publish('other', { n: 6 });
    expect(await next).toMatchObject({ value: { data: { n: 6 } } });
    expect(gaps.map(({ from }) => from)).toEqual([first.value!.cursor]);
    await events.return!();
  });
});

describe('a start position past the tail of this process', () => {
  it('a start past the tail of this process is kept when the connection goes live at once', async () => {
    const log = new ScriptedLog();
    const { feed, open, clock, publishNumbers } = createBench({ log });
    await publishNumbers(1, 10);
    const cursor = feed.cursor();
    log.holdTails();
    for (let n = 11; n <= 20; n += 1) {
      await feed.publish('other', { n });
      await feed.publish('notice', { text: String(n) });
    }
    const { epoch } = parseCursor(cursor)!;
    const ahead = `${epoch}.${(20).toString(36)}`;
    expect(comparePositions(parseCursor(ahead)!.position, parseCursor(cursor)!.position)).toBe(1);
    const url = `/events?topic=notice&topic=other%3Ffrom%3D${ahead}%26key%3Do&last_event_id=${cursor}`;
    const tap = await open(url);
    log.releaseTails();
    await clock.settle();
    await feed.publish('other', { n: 21 });
    await clock.settle();
    expect(tap.numbers()).toEqual([16, 17, 18, 19, 20, 21]);
    expect(tap.of('notice')).toHaveLength(10);
  });

  it('a start past the tail of this process is kept when pages lag as much as the tail', async () => {
    const log = new ScriptedLog();
    const { feed, open, clock, publishNumbers } = createBench({ log });
    await publishNumbers(1, 10);
    const cursor = feed.cursor();
    log.holdTails();
    await publishNumbers(11, 20);
    const read = log.read.bind(log);
    log.read = async (query) => ({ ...(await read(query)), events: [], through: query.after });
    const ahead = `${parseCursor(cursor)!.epoch}.${(15).toString(36)}`;
    const tap = await open(
      `/events?topic=notice&topic=other%3Ffrom%3D${ahead}%26key%3Do&last_event_id=${cursor}`,
    );
    await clock.advance(50);
    log.read = read;
    log.releaseTails();
    await clock.advance(50);
    expect(tap.numbers()).toEqual([16, 17, 18, 19, 20]);
  });
});
