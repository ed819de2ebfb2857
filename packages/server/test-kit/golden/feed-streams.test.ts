import { it } from 'vitest';
import { defineStream, message } from '@linefeed/server';
import { LinefeedError } from '@linefeed/shared';
import { createBoard, createBoardFeed, reportSource, tickSource } from './board.ts';
import { expectRecordAfterClose, expectRecord, list, Session } from './session.ts';

it('the bytes of streams are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, {
    streams: {
      report: reportSource,
      // Later than the report: the order of two streams on one connection is not part of the protocol.
      async *tick() {
        await new Promise<void>((resolve) => session.clock.after(10, resolve));
        yield* tickSource();
      },
    },
  });
  const ids = ['~1', '2', '~', '~!', '~3', 'x.1~2'];
  await session.send(feed.handle, '/events/report?year=2026');
  await session.send(feed.handle, '/events/report?year=2026', { method: 'HEAD' });
  for (const id of ids) {
    await session.send(feed.handle, '/events/report?year=2026', { headers: { 'last-event-id': id } });
  }
  await session.send(feed.handle, '/events/report?year=2026&from=~1');
  await session.send(feed.handle, '/events/report?year=2026&key=r');
  await session.send(feed.handle, '/events/tick');
  await session.pass(10);
  await session.send(feed.handle, '/events/tick', { headers: { 'last-event-id': '~' } });
  await session.step('publish', () => feed.publish('notice', { text: 'one' }));
  const both = list('notice', 'report?year=2026&key=r', 'tick?key=t');
  const open = await session.send(feed.handle, both);
  await session.pass(10);
  await session.send(feed.handle, both, { headers: { 'last-event-id': open.lastEventId } });
  await session.send(
    feed.handle,
    list('report?year=2026&key=r&from=~2', 'tick?key=t&from=~', 'tick?key=u&from=~!'),
  );
  await session.send(feed.handle, list('report?year=2026&key=r&from=~!', 'tick?key=t&from=~!'));
  await expectRecordAfterClose(session, feed, 'streams');
});

it('the bytes of ids of a stream are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, {
    streams: {
      report: reportSource,
      *tick() {
        yield message(1, { id: 'a!~b ü/%' });
        yield 2;
        yield message(3, { id: 7 });
      },
    },
  });
  await session.send(feed.handle, '/events/tick');
  await session.send(feed.handle, list('notice', 'tick?key=t'));
  await expectRecordAfterClose(session, feed, 'stream-ids');
});

it('the bytes of failed sources are those of the record', async () => {
  const session = new Session();
  const failures: Record<number, () => unknown> = {
    1: () => new Error('hidden'),
    2: () => Object.assign(new Error('hidden'), { retryable: true }),
    3: () => Object.assign(new Error('app: shown'), { status: 404, expose: true }),
    4: () => new LinefeedError('forbidden', 'app: not yours', { status: 403 }),
    5: () => Object.assign(new Error('hidden'), { status: 503 }),
    6: () => undefined,
  };
  const feed = createBoardFeed(session, {
    streams: {
      *report({ params }) {
        yield message({ step: 1 }, { id: 1 });
        throw failures[params.year]!();
      },
      *tick({ params }) {
        if (params === undefined) throw Object.assign(new Error('hidden'), { retryable: true });
        yield 'no number' as unknown as number;
      },
    },
  });
  for (const year of Object.keys(failures)) await session.send(feed.handle, `/events/report?year=${year}`);
  await session.send(feed.handle, list('notice', 'report?year=2&key=a'));
  await session.send(feed.handle, list('notice', 'report?year=3&key=b'));
  await session.send(feed.handle, list('notice', 'tick?key=t'));
  await session.step('replace the sources by wrong ones', () =>
    feed.setStreams({
      *report() {
        yield { step: 'one' } as unknown as { step: number };
      },
      tick: (() => 7) as unknown as () => Generator<number>,
    }),
  );
  await session.send(feed.handle, '/events/report?year=1&key=r');
  await session.send(feed.handle, '/events/tick?key=t');
  await expectRecordAfterClose(session, feed, 'failed-sources');
});

it('the bytes of a stream as an endpoint of its own are those of the record', async () => {
  const session = new Session();
  const report = defineStream(createBoard(), 'report', reportSource, {
    clock: session.clock,
    cors: { origins: ['https://app.test'] },
  });
  const tick = defineStream(createBoard(), 'tick', tickSource, {
    clock: session.clock,
    onError: () => undefined,
  });
  await session.send(report.handle, '/any/path?year=2026');
  await session.send(report.handle, '/any/path?year=2026', {
    headers: { 'last-event-id': '~2', origin: 'https://app.test' },
  });
  await session.send(report.handle, '/any/path?year=2026', { headers: { 'last-event-id': '~!' } });
  await session.send(report.handle, '/any/path?year=late');
  await session.send(report.handle, '/?topic=report%3Fyear%3D2026%26key%3Dr');
  await session.send(report.handle, '/?topic=notice');
  await session.send(report.handle, '/?year=2026', { method: 'HEAD' });
  await session.send(tick.handle, '/tick');
  expectRecord(session, 'endpoint-of-a-stream');
});
