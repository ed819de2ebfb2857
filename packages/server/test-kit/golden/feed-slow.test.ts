import { it } from 'vitest';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, list, post, Session } from './session.ts';

const LONG = 'x'.repeat(20_000);

it('the bytes that a slow reader gets are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { maxBufferedBytes: 50_000 });
  const a = await session.send(feed.handle, list('notice', 'price?symbol=A'));
  await session.step('the reader pauses', () => a.pause());
  await session.step('publish 240 kB of notices, and prices between them', async () => {
    for (let n = 1; n <= 12; n += 1) {
      await feed.publish('notice', { text: `${n} ${LONG}` });
      await feed.publish('price', { symbol: 'A' }, { bid: n });
      await session.clock.settle();
    }
  });
  await session.send(
    feed.handle,
    '/events',
    post({ connection: a.id, n: 1, add: [{ address: 'other', key: 'o' }] }),
  );
  await session.step('the reader continues', () => a.resume());
  await session.step('publish', async () => {
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'live' });
  });
  await expectRecordAfterClose(session, feed, 'slow-reader');
});

it('the bytes of live events beside a rewind are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  await session.step('publish 12 long events', async () => {
    for (let n = 1; n <= 12; n += 1) await feed.publish('room', { name: 'a' }, { text: `${n} ${LONG}` });
  });
  const a = await session.send(feed.handle, list('notice?key=n', 'price?symbol=A&key=p'));
  await session.step('the reader pauses', () => a.pause());
  await session.send(
    feed.handle,
    '/events',
    post({ connection: a.id, n: 1, add: [{ address: 'room?name=a', key: 'r', from: 'earliest' }] }),
  );
  await session.step('publish during the rewind', async () => {
    await feed.publish('notice', { text: 'live' });
    await feed.publish('room', { name: 'a' }, { text: 'live' });
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    await feed.publish('price', { symbol: 'A' }, { bid: 2 });
  });
  await session.step('the reader continues', () => a.resume());
  await session.step('publish after the rewind', async () => {
    await feed.publish('room', { name: 'a' }, { text: 'later' });
    await feed.publish('notice', { text: 'later' });
  });
  await expectRecordAfterClose(session, feed, 'live-events-beside-a-rewind');
});

it('the bytes that a stalled reader gets are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { stallTimeoutMs: 10_000 });
  const a = await session.send(feed.handle, '/events/notice');
  await session.step('the reader pauses', () => a.pause());
  await session.step('publish 120 kB', async () => {
    for (let n = 1; n <= 6; n += 1) {
      await feed.publish('notice', { text: `${n} ${LONG}` });
      await session.clock.settle();
    }
  });
  await session.pass(9_000);
  await session.pass(2_000);
  await session.step('the reader continues', () => a.resume());
  await expectRecordAfterClose(session, feed, 'stalled-reader');
});
