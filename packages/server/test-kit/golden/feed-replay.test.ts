import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { memoryLog, type Feed, type Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';
import { createBoardFeed, type Board } from './board.ts';
import { createReplaceableLog } from './replaceable-log.ts';
import { expectRecordAfterClose, createFixedClock, expectRecord, list, post, Session } from './session.ts';

async function publishOthers(feed: Feed<Board, undefined>, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 1) await feed.publish('other', { n });
}

/** Resumes of each kind, over any log. */
async function replay(log: Log): Promise<Session> {
  const session = new Session();
  const feed = createBoardFeed(session, { log });
  await session.step('publish ten events', async () => {
    for (let n = 1; n <= 5; n += 1) {
      await feed.publish('notice', { text: `notice ${n}` });
      await feed.publish('room', { name: n % 2 === 0 ? 'a' : 'b' }, { text: `room ${n}` });
    }
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    await feed.publish('price', { symbol: 'A' }, { bid: 2 });
  });
  const at = (position: number): string => `${log.epoch}.${position.toString(36)}`;
  await session.send(feed.handle, '/events/notice?from=earliest');
  await session.send(feed.handle, `/events/notice?from=${at(3)}`);
  await session.send(feed.handle, '/events/notice', { headers: { 'last-event-id': `${at(7)}.5` } });
  await session.send(feed.handle, `/events/notice?from=earliest`, { headers: { 'last-event-id': at(9) } });
  await session.send(feed.handle, `/events/notice?last_event_id=${at(5)}`);
  await session.send(
    feed.handle,
    `${list('notice', 'room?name=a', `room?name=b&from=${at(6)}`, 'price?symbol=A')}&last_event_id=${at(4)}`,
  );
  await session.send(
    feed.handle,
    '/events',
    post({
      last_event_id: at(8),
      topics: [
        { address: 'notice', key: 'n' },
        { address: 'room?name=a', key: 'a', from: at(2) },
        { address: 'room?name=b', key: 'b', from: 'earliest' },
        { address: 'price?symbol=A', key: 'p', from: 'now' },
      ],
    }),
  );
  await session.step('publish', () => feed.publish('room', { name: 'a' }, { text: 'live' }));
  await session.step('close', () => feed.close());
  return session;
}

it('the bytes of a replay are those of the record', async () => {
  expectRecord(await replay(memoryLog({ clock: createFixedClock() })), 'replay');
});

it('the bytes of a replay from SQLite are those of the record', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-golden-'));
  const log = sqliteLog({ path: join(folder, 'log.db'), clock: createFixedClock() });
  try {
    expectRecord(await replay(log), 'replay');
  } finally {
    await log.close?.();
    rmSync(folder, { recursive: true });
  }
});

it('the bytes of a replay of several pages are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  await session.step('publish 520 events', () => publishOthers(feed, 1, 520));
  await session.send(feed.handle, '/events/other?from=earliest');
  await session.send(feed.handle, list('notice&from=earliest', 'other&from=earliest'));
  await session.step('publish', () => feed.publish('other', { n: 521 }));
  await expectRecordAfterClose(session, feed, 'replay-of-pages');
});

it('the bytes of a rewind are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session);
  await session.step('publish', async () => {
    await publishOthers(feed, 1, 3);
    await feed.publish('notice', { text: 'one' });
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
  });
  const a = await session.send(feed.handle, '/events/notice?key=n');
  const add = (n: number, ...entries: readonly object[]): Promise<unknown> =>
    session.send(feed.handle, '/events', post({ connection: a.id, n, add: entries }));
  await add(1, { address: 'other', key: 'o', from: 'earliest' });
  await session.step('publish', () => publishOthers(feed, 4, 4));
  await add(2, { address: 'other', key: 'o2', from: `${a.lastEventId.split('.')[0]}.2` });
  await add(3, { address: 'price?symbol=A', key: 'p', from: 'now' }, { address: 'room?name=a', key: 'r' });
  await session.send(
    feed.handle,
    `${list('notice', 'other?from=earliest&key=o')}&last_event_id=${feed.cursor()}`,
  );
  await session.send(feed.handle, `${list('notice', 'other?from=earliest')}&last_event_id=${feed.cursor()}`);
  await session.step('publish', () => publishOthers(feed, 5, 5));
  await expectRecordAfterClose(session, feed, 'rewind');
});

it('the bytes of gaps are those of the record', async () => {
  const session = new Session();
  const log = memoryLog({ clock: createFixedClock(), maxEvents: 4 });
  const feed = createBoardFeed(session, { log });
  await session.step('publish eight events; the log holds four', async () => {
    await feed.publish('notice', { text: 'evicted' });
    await publishOthers(feed, 1, 5);
    await feed.publish('notice', { text: 'held' });
    await publishOthers(feed, 6, 6);
  });
  const { epoch } = log;
  const froms = [`${epoch}.0`, `${epoch}.2`, `${epoch}.4`, '0123.5', `${epoch}.zz`, 'no cursor', 'earliest'];
  for (const from of froms) {
    await session.send(feed.handle, `/events/other?from=${encodeURIComponent(from)}`);
  }
  await session.send(
    feed.handle,
    `${list('notice', 'other', 'price?symbol=A', 'room?name=a&from=0123.1')}&last_event_id=${epoch}.1`,
  );
  await session.send(feed.handle, '/events/other', { headers: { 'last-event-id': '0123.1' } });
  const late = await session.send(feed.handle, '/events/notice?key=n');
  await session.send(
    feed.handle,
    '/events',
    post({ connection: late.id, n: 1, add: [{ address: 'other', key: 'o', from: `${epoch}.1` }] }),
  );
  await session.step('publish', () => publishOthers(feed, 7, 7));
  await expectRecordAfterClose(session, feed, 'gaps');
});

it('the bytes of a log reset are those of the record', async () => {
  const session = new Session();
  const log = createReplaceableLog();
  const feed = createBoardFeed(session, { log });
  await session.step('publish', async () => {
    await publishOthers(feed, 1, 3);
    await feed.publish('notice', { text: 'one' });
  });
  const a = await session.send(feed.handle, '/events/other?from=earliest');
  await session.send(feed.handle, list('notice', 'other', 'tick?key=t', 'price?symbol=A'));
  await session.step('the log begins anew, empty', () => log.replace('epoch', []));
  await session.step('publish', () => publishOthers(feed, 4, 5));
  await session.step('the log is rolled back to one event', () =>
    log.replace('rollback', [{ address: 'other', data: '{"n":4}', keep: 'all' }]),
  );
  await session.step('publish', () => publishOthers(feed, 6, 6));
  await session.step('the log begins anew, with two events', () =>
    log.replace('epoch', [
      { address: 'other', data: '{"n":7}', keep: 'all' },
      { address: 'price?symbol=A', data: '{"bid":7}', keep: 'latest' },
    ]),
  );
  await session.step('publish', () => publishOthers(feed, 8, 8));
  await session.send(feed.handle, '/events/other', { headers: { 'last-event-id': a.lastEventId } });
  await expectRecordAfterClose(session, feed, 'log-resets');
});
