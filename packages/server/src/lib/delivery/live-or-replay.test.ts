import { expect, it } from 'vitest';
import { comparePositions, parseCursor } from '@linefeed/shared/wire';
import { createBench } from '../../../test-kit/feed-bench.ts';
import type { TappedFrame } from '../../../test-kit/tap.ts';
import type { LogCursor, TailListener } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';

const positionOf = ({ id }: TappedFrame): string => parseCursor(id)!.position;

it('a rewind does not overtake the shared position that it merges into, when a reader takes page after page', async () => {
  const { feed, open, takeAll } = createBench();
  await feed.publish('other', { n: 0 });
  const cursor = feed.cursor();
  // Two pages of one topic, and less than a page of the other spread over the same positions.
  for (let n = 1; n <= 900; n += 1) {
    await feed.publish('notice', { text: `${n}` });
    if (n % 10 === 0) await feed.publish('other', { n });
  }
  const url = `/events?topic=notice&topic=other%3Ffrom%3Dearliest%26key%3Do&last_event_id=${cursor}`;
  const tap = await open(url, {}, { roomBytes: 1 });
  await takeAll(tap);
  const { frames } = tap;
  const caughtUp = frames.findIndex(({ event }) => event === 'linefeed.caughtup');
  expect(frames.filter(({ event }) => event === 'other')).toHaveLength(91);
  expect(frames.filter(({ event }) => event === 'notice')).toHaveLength(900);
  let shared = parseCursor(cursor)!.position;
  for (const frame of frames.slice(0, caughtUp)) {
    if (frame.event === 'notice') shared = positionOf(frame);
    if (frame.event === 'other') expect(comparePositions(positionOf(frame), shared)).toBeLessThanOrEqual(0);
  }
});

it('a rewinding address gets linefeed.caughtup before the gap of a log reset', async () => {
  const inner = memoryLog();
  let listener: TailListener | undefined;
  let epoch = inner.epoch;
  const log = {
    get epoch() {
      return epoch;
    },
    append: inner.append.bind(inner),
    read: async (query: Parameters<typeof inner.read>[0]) => ({ ...(await inner.read(query)), epoch }),
    newest: () => ({ ...(inner.newest() as LogCursor), epoch }),
    tail(given: TailListener) {
      listener = given;
      return inner.tail(given);
    },
  };
  const { feed, open, publishNumbers, take, takeAll } = createBench({ log });
  await publishNumbers(1, 600);
  const url = `/events?topic=notice&topic=other%3Ffrom%3Dearliest%26key%3Do&last_event_id=${feed.cursor()}`;
  const tap = await open(url, {}, { roomBytes: 1 });
  await take(tap);
  expect(tap.of('other')).toHaveLength(500);
  epoch = 'another';
  listener!.onReset('epoch', { ...(await inner.newest()), epoch });
  await takeAll(tap);
  const told = tap.frames.filter(({ event }) => /caughtup|gap/.test(event));
  expect(told).toMatchObject([
    { event: 'linefeed.caughtup', data: { address: 'other' } },
    { event: 'linefeed.gap', data: { address: 'notice', reason: 'epoch' } },
    { event: 'linefeed.gap', data: { address: 'other', reason: 'epoch' } },
  ]);
});

it('the gap of an opening is announced even if its address is first added again with an earlier cursor', async () => {
  const { feed, open, ask, publishNumbers, takeAll } = createBench();
  await publishNumbers(1, 3);
  await feed.publish('notice', { text: 'a' });
  const url = '/events?topic=notice%3Ffrom%3Dearliest&topic=other%3Ffrom%3Dnonsense';
  const tap = await open(url, {}, { roomBytes: 1 });
  const { connection } = tap;
  const add = [{ address: 'other', key: 'o', from: feed.cursor().replace(/\..*/, '.1') }];
  await ask('/events', { method: 'POST', body: JSON.stringify({ connection, n: 1, add }) });
  expect(tap.of('linefeed.gap')).toEqual([]);
  await takeAll(tap);
  expect(tap.of('linefeed.gap')).toMatchObject([{ data: { address: 'other', reason: 'unknown' } }]);
  expect(tap.dataOf('other')).toEqual([{ n: 2 }, { n: 3 }]);
});

it('linefeed.subscribed of an unusable cursor has the end of its gap, even if other entries of the address are earlier', async () => {
  const { feed, open, ask, publishNumbers, take, takeAll } = createBench();
  await publishNumbers(1, 600);
  const past = feed.cursor().replace(/\..*/, '.1');
  const url = `/events?topic=other%3Ffrom%3Dnonsense%26key%3Da&topic=other%3Ffrom%3D${past}%26key%3Db`;
  const tap = await open(url, {}, { roomBytes: 1 });
  const { connection } = tap;
  await take(tap);
  const add = [{ address: 'other', key: 'c', from: 'nonsense' }];
  await ask('/events', { method: 'POST', body: JSON.stringify({ connection, n: 1, add }) });
  await takeAll(tap);
  const starts = tap.of('linefeed.subscribed').map(({ data }) => (data as { cursor: string }).cursor);
  const [opening, added] = tap.of('linefeed.gap').map(({ data }) => (data as { to: string }).to);
  expect(starts).toEqual([opening, past, added]);
  expect(opening).toBe(past);
  expect(added).not.toBe(feed.cursor());
});
