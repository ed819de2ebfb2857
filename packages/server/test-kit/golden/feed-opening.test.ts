import { it } from 'vitest';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, list, post, Session } from './session.ts';

it('the bytes of an opening are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, '/events/room?name=caf%C3%A9+%26&floor=2&token=secret');
  await session.send(
    feed.handle,
    list('notice', 'room?name=a', 'room?name=a&floor=0', 'price?symbol=A&key=p'),
  );
  await session.send(
    feed.handle,
    '/events',
    post({
      topics: [
        { address: 'other', key: '1' },
        { address: 'notice', from: 'earliest' },
      ],
    }),
  );
  await session.send(feed.handle, '/events/notice', { method: 'HEAD' });
  await session.send(feed.handle, list('notice', 'report?year=2026&key=r'));
  await expectRecordAfterClose(session, feed, 'opening');
});

it('the bytes of refused entries beside accepted ones are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, {
    maxSubscriptions: 6,
    maxAddressBytes: 60,
    authorize: ({ address }) => {
      if (address === 'room?floor=0&name=broken') throw new Error('hidden');
      return !address.includes('secret');
    },
  });
  const long = `room?name=${'x'.repeat(60)}`;
  const entries = [
    'notice',
    'nothing',
    'room',
    'room?name=a&floor=high',
    'room?name=a&name=b',
    'room?name=secret',
    'room?name=broken',
    'report?year=2026',
    'report?year=2026&key=bad!',
    'tick?key=t',
    'tick?key=t',
    long,
  ];
  await session.send(feed.handle, list(...entries));
  const surplus = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => ({ address: `room?name=${name}` }));
  await session.send(feed.handle, '/events', post({ topics: surplus }));
  await expectRecordAfterClose(session, feed, 'refused-entries');
});

it('the bytes of live events are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  await session.step('publish before any connection', async () => {
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    await feed.publish('notice', { text: 'early' });
    await feed.publish('price', { symbol: 'A' }, { bid: 2 });
  });
  await session.send(feed.handle, list('notice', 'price?symbol=A', 'room?name=a'));
  await session.send(feed.handle, list('price?symbol=A', 'price?symbol=B'));
  await session.send(feed.handle, '/events/room?name=a');
  await session.step('publish one notice', () => feed.publish('notice', { text: 'one', level: 'warn' }));
  await session.step('publish a batch in one tick', async () => {
    await Promise.all([
      feed.publish('notice', { text: 'two\nlines\r\n\u2028"quoted" \\ <é> 😀' }),
      feed.publish('price', { symbol: 'A' }, { bid: 3 }),
      feed.publish('room', { name: 'a' }, { text: '' }),
      feed.publish('other', { n: 1 }),
      feed.publish('price', { symbol: 'A' }, { bid: 4 }),
      feed.publish('price', { symbol: 'B' }, { bid: 5 }),
    ]);
  });
  await session.step('publish a duplicate', async () => {
    await feed.publish('notice', { text: 'once' }, { idempotencyKey: 'k' });
    await feed.publish('notice', { text: 'once' }, { idempotencyKey: 'k' });
  });
  await expectRecordAfterClose(session, feed, 'live-events');
});

it('the bytes of pings and bookmarks are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, {
    pingMs: 5_000,
    timeoutMs: 12_000,
    maxDurationMs: false,
    retryMs: 0,
  });
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, '/events/tick?key=t');
  await session.pass(4_000);
  await session.pass(2_000);
  await session.step('publish to another address', () => feed.publish('other', { n: 1 }));
  await session.pass(5_000);
  await session.pass(6_000);
  await session.step('publish', () => feed.publish('notice', { text: 'one' }));
  await session.pass(4_000);
  await session.pass(2_000);
  await expectRecordAfterClose(session, feed, 'pings-and-bookmarks');
});
