import { it } from 'vitest';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, list, post, Session } from './session.ts';

it('the bytes of control requests are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { maxSubscriptions: 5 });
  const a = await session.send(feed.handle, list('notice', 'price?symbol=A'));
  const send = (body: object): Promise<unknown> => session.send(feed.handle, '/events', post(body));
  await send({ connection: a.id, n: 1, add: [{ address: 'room?name=a', key: '1' }, { address: 'other' }] });
  await session.step('publish', async () => {
    await feed.publish('room', { name: 'a' }, { text: 'one' });
    await feed.publish('other', { n: 1 });
  });
  await send({ connection: a.id, n: 2, remove: ['other', 'nothing'], add: [{ address: 'other' }] });
  await send({ connection: a.id, n: 2, remove: ['notice'] });
  await send({ connection: a.id, n: 4, remove: ['other'], add: [{ address: 'report?year=2026', key: 'r' }] });
  await send({
    connection: a.id,
    n: 5,
    add: [
      { address: 'report?year=2026', key: 'r' },
      { address: 'tick', key: 't', from: '~' },
      { address: 'tick', key: 'u', from: '~!' },
      { address: 'tick' },
      { address: 'nothing', key: 'x' },
      { address: 'room', key: 'y' },
    ],
  });
  await send({
    connection: a.id,
    n: 6,
    add: ['a', 'b', 'c'].map((name) => ({ address: `room?name=${name}` })),
  });
  await session.step('publish', async () => {
    await feed.publish('notice', { text: 'two' });
    await feed.publish('other', { n: 2 });
  });
  await session.step('disconnect', () => feed.disconnect(() => true));
  await send({ connection: a.id, n: 7, add: [{ address: 'other' }] });
  await expectRecordAfterClose(session, feed, 'control-requests');
});

it('the bytes of malformed and foreign control requests are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, {
    maxSubscriptions: 2,
    requestTimeoutMs: 3_000,
    context: (request) => ({ principal: request.headers.get('x-user') ?? undefined }),
    authorize: ({ address }) =>
      address === 'room?floor=0&name=slow' ? new Promise<boolean>(() => undefined) : address !== 'other',
  });
  const a = await session.send(feed.handle, '/events/notice', { headers: { 'x-user': 'ann' } });
  const send = (body: object | string, init: { passMs?: number; user?: string } = {}): Promise<unknown> =>
    session.send(feed.handle, '/events', {
      ...post(body),
      ...(init.passMs === undefined ? {} : { passMs: init.passMs }),
      headers: { 'content-type': 'text/plain;charset=UTF-8', 'x-user': init.user ?? 'ann' },
    });
  const connection = a.id;
  await send({ connection: 7, n: 1 });
  await send({ connection, n: 0 });
  await send({ connection, n: 1, add: {} });
  await send({ connection, n: 1, add: [{ address: 1 }] });
  await send({ connection, n: 1, remove: [1] });
  await send({ connection, n: 1, remove: Array.from({ length: 9 }, () => 'x') });
  await send({ connection: 'unknown', n: 1 });
  await send({ connection, n: 1, remove: ['notice'] }, { user: 'bob' });
  await send({ connection, n: 1, add: [{ address: 'other', key: 'k' }] });
  await send({ connection, n: 2, add: [{ address: 'room?name=slow' }] }, { passMs: 3_000 });
  const slow = { connection, n: 3, add: [{ address: 'room?name=slow' }] };
  await session.step('four control requests wait', () => {
    for (let count = 0; count < 4; count += 1) {
      const request = new Request('http://feed.test/events', { ...post(slow), headers: { 'x-user': 'ann' } });
      void feed.handle(request);
    }
  });
  await send({ connection, n: 4, add: [{ address: 'room?name=a' }] });
  await session.pass(12_000);
  await send({ connection, n: 4, add: [{ address: 'room?name=a' }] });
  await expectRecordAfterClose(session, feed, 'refused-control-requests');
});
