import { describe, expect, it } from 'vitest';
import { after, at, createBench, entries, range } from '../../../test-kit/feed-bench.ts';
import { logWith } from '../../../test-kit/scripted-log.ts';
import type { TailListener } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';

describe('resuming from a cursor', () => {
  it('a resumed connection replays each event after its cursor once, and goes live', async () => {
    const { feed, open, clock } = createBench();
    const cursors: string[] = [];
    for (let n = 1; n <= 1_200; n += 1) cursors.push((await feed.publish('other', { n })).cursor);
    const tap = await open('/events/other', after(cursors[99]!));
    await feed.publish('other', { n: 1_201 });
    await clock.settle();
    expect(tap.frames[0]).toMatchObject({ event: 'linefeed.hello', id: cursors[99] });
    expect(tap.payloads).toEqual(range(101, 1_201).map((n) => ({ n })));
    expect(tap.of('linefeed.gap')).toEqual([]);
  });

  it('the Last-Event-ID header takes precedence over an older cursor in the URL', async () => {
    const { feed, open, publishNumbers } = createBench();
    await publishNumbers(1, 3);
    const tap = await open(
      `/events/other?from=earliest&last_event_id=${at(feed.cursor(), 1)}`,
      after(at(feed.cursor(), 2)),
    );
    expect(tap.payloads).toEqual([{ n: 3 }]);
  });

  it('a replay keeps position order across all addresses that share the cursor', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 5; n += 1) {
      await feed.publish('other', { n });
      await feed.publish('notice', { text: String(n) });
    }
    const tap = await open(`/events?topic=notice&topic=other&last_event_id=${at(feed.cursor(), 3)}`);
    expect(tap.payloads).toEqual([
      { text: '2' },
      { n: 3 },
      { text: '3' },
      { n: 4 },
      { text: '4' },
      { n: 5 },
      { text: '5' },
    ]);
  });

  it('the gap of trimmed events is announced before later events of its address, and for no other address', async () => {
    const { feed, open, publishNumbers } = createBench({ log: memoryLog({ maxEvents: 4 }) });
    await feed.publish('notice', { text: 'kept' });
    const start = feed.cursor();
    await publishNumbers(1, 3);
    await feed.publish('notice', { text: 'late' });
    await feed.publish('other', { n: 4 });
    const tap = await open(`/events?topic=notice&topic=other&last_event_id=${start}`);
    expect(tap.events.slice(1)).toEqual([
      'linefeed.subscribed',
      'linefeed.subscribed',
      'linefeed.gap',
      'linefeed.bookmark',
      'other',
      'other',
      'notice',
      'other',
    ]);
    expect(tap.dataOf('linefeed.gap')[0]).toEqual({
      address: 'other',
      from: start,
      to: at(start, 2),
      reason: 'trimmed',
    });
    expect(tap.of('linefeed.bookmark')[0]!.id).toBe(start);
  });

  it('delivery continues at the oldest event in the log when the tail missed evicted events', async () => {
    const log = memoryLog({ maxEvents: 4 });
    let told: TailListener | undefined;
    let isDeaf = false;
    const { feed, open, clock, publishNumbers } = createBench({
      log: logWith(log, {
        tail: (listener) => {
          told = listener;
          return log.tail({
            ...listener,
            onEvents: (events, through) => isDeaf || listener.onEvents(events, through),
          });
        },
      }),
    });
    const gaps: unknown[] = [];
    const followed: unknown[] = [];
    const following = (async () => {
      const options = { from: 'earliest', onGap: (gap: unknown) => gaps.push(gap) };
      for await (const { data } of feed.subscribe('other', options)) followed.push(data);
    })();
    const tap = await open(entries('notice', 'other'));
    await feed.publish('other', { n: 1 });
    isDeaf = true;
    await publishNumbers(2, 8);
    isDeaf = false;
    told!.onReset('trimmed', await log.newest());
    await clock.settle();
    await feed.publish('other', { n: 9 });
    await clock.settle();
    const gap = {
      address: 'other',
      from: at(feed.cursor(), 1),
      to: at(feed.cursor(), 4),
      reason: 'trimmed',
    };
    const numbers = [1, 5, 6, 7, 8, 9].map((n) => ({ n }));
    expect([tap.payloads, tap.dataOf('linefeed.gap')]).toEqual([numbers, [gap]]);
    await feed.close();
    await following;
    expect([followed, gaps]).toEqual([numbers, [gap]]);
  });

  it('a cursor of another epoch causes a gap, and the new epoch is delivered from its beginning', async () => {
    const { feed, open } = createBench();
    await feed.publish('notice', { text: 'new' });
    const tap = await open('/events/notice', after('oldepoch.zz'));
    expect(tap.events).toEqual([
      'linefeed.hello',
      'linefeed.subscribed',
      'linefeed.gap',
      'linefeed.bookmark',
      'notice',
    ]);
    expect(tap.frames[0]!.id).toBeUndefined();
    expect(tap.frames[2]!.data).toMatchObject({
      from: 'oldepoch.zz',
      to: at(feed.cursor(), 0),
      reason: 'epoch',
    });
  });

  it.each([
    ['garbage', '\u{1F600} not a cursor', 'unknown'],
    ['a position without its epoch', '12', 'unknown'],
    ['far too long', 'a'.repeat(300), 'unknown'],
  ])('a cursor that is %s causes a gap, not an error', async (_name, cursor, reason) => {
    const { feed, open } = createBench();
    await feed.publish('notice', { text: 'past' });
    const tap = await open(`/events/notice?last_event_id=${encodeURIComponent(cursor)}`);
    expect(tap.dataOf('linefeed.gap')[0]).toMatchObject({ from: '', to: feed.cursor(), reason });
    expect(tap.of('linefeed.bookmark')[0]!.id).toBe(feed.cursor());
    expect(tap.payloads).toEqual([]);
  });

  it('a cursor past the tail causes a gap, and delivery continues from the tail', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'past' });
    const tap = await open(`/events/notice?last_event_id=${at(feed.cursor(), 99)}`);
    expect(tap.dataOf('linefeed.gap')[0]).toMatchObject({ reason: 'future', to: feed.cursor() });
    await feed.publish('notice', { text: 'next' });
    await clock.settle();
    expect(tap.payloads).toEqual([{ text: 'next' }]);
  });

  it('a connection delivers no event twice when its cursor is past the tail of this process', async () => {
    const log = memoryLog();
    const ahead = createBench({ log });
    // This node receives the other node's appends later.
    const late: Array<() => void> = [];
    const behind = createBench({
      log: logWith(log, {
        tail: ({ onEvents, ...listener }) =>
          log.tail({
            ...listener,
            onEvents: (events, through) => void late.push(() => onEvents(events, through)),
          }),
      }),
    });
    const { cursor } = await ahead.feed.publish('other', { n: 1 });
    await ahead.feed.publish('other', { n: 2 });
    const tap = await behind.open('/events/other', after(cursor));
    expect(tap.frames[0]!.id).toBe(cursor);
    for (const hear of late) hear();
    await behind.clock.settle();
    expect(tap.of('linefeed.gap')).toEqual([]);
    expect(tap.payloads).toEqual([{ n: 2 }]);
  });

  it('each entry of a new connection starts at its own `from`, in position order', async () => {
    const { feed, open, publishNumbers } = createBench();
    await publishNumbers(1, 2);
    await feed.publish('notice', { text: 'past' });
    const tap = await open(entries('notice', 'other?from=earliest'));
    expect(tap.frames[0]!.id).toBe(at(feed.cursor(), 0));
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }]);
    expect(tap.of('linefeed.caughtup')).toEqual([]);
  });

  it('an entry that starts before the cursor of its connection rewinds until linefeed.caughtup', async () => {
    const { feed, open, clock, publishNumbers } = createBench();
    await publishNumbers(1, 3);
    await feed.publish('notice', { text: 'a' });
    const tap = await open(
      `/events?topic=notice&topic=other%3Ffrom%3Dearliest%26key%3Do&last_event_id=${feed.cursor()}`,
    );
    expect(tap.frames[0]!.id).toBe(feed.cursor());
    expect(tap.of('linefeed.subscribed').map(({ data }) => (data as { rewind?: true }).rewind)).toEqual([
      undefined,
      true,
    ]);
    await feed.publish('other', { n: 4 });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    const caughtUp = tap.frames.findIndex(({ event }) => event === 'linefeed.caughtup');
    expect(tap.frames.slice(0, caughtUp).filter(({ event }) => event === 'other')).toHaveLength(3);
  });

  it('a client with one cursor loses no event of an entry with an earlier start, at any cut', async () => {
    const { feed, open, publishNumbers } = createBench();
    await publishNumbers(1, 3);
    const cursor = feed.cursor();
    for (let n = 4; n <= 6; n += 1) await feed.publish('notice', { text: `${n}` });
    const url = `/events?topic=notice&topic=other%3Ffrom%3Dearliest&last_event_id=${cursor}`;
    const whole = (await open(url)).frames;
    const payloadsOf = (frames: typeof whole): unknown[] =>
      frames.filter(({ event }) => !event.startsWith('linefeed.')).map(({ data }) => data);
    expect(whole[0]!.id).toBe(at(cursor, 0));
    expect(payloadsOf(whole)).toEqual([
      ...[1, 2, 3].map((n) => ({ n })),
      ...[4, 5, 6].map((n) => ({ text: `${n}` })),
    ]);
    for (let end = 1; end <= whole.length; end += 1) {
      const got = whole.slice(0, end);
      // A browser reconnects in this way: the same URL, and the last id in a header.
      const id = got.findLast((frame) => frame.id !== undefined)!.id!;
      const rest = (await open(url, after(id))).frames;
      expect(
        new Set([...payloadsOf(got), ...payloadsOf(rest)].map((data) => JSON.stringify(data))).size,
      ).toBe(6);
    }
  });
});
