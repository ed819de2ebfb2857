import { it } from 'vitest';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, expectRecord, list, post, Session } from './session.ts';

const neverEnds = {
  *report() {},
  async *tick({ signal }: { signal: AbortSignal }) {
    yield 1;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
};

it('the bytes of a feed that closes are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { streams: neverEnds });
  await session.send(feed.handle, '/events/notice');
  const b = await session.send(feed.handle, list('notice', 'tick?key=t'));
  await session.send(feed.handle, '/events/tick');
  await session.step('close with a grace period of 3000 ms', () => void feed.close({ graceMs: 3_000 }));
  await session.step('publish', () => feed.publish('notice', { text: 'late' }));
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, '/events', post({ topics: [{ address: 'notice' }] }));
  await session.send(feed.handle, '/events/notice', { method: 'HEAD' });
  await session.send(feed.handle, '/events/nothing', { method: 'PUT' });
  await session.send(feed.handle, '/events', post({ connection: b.id, n: 1, add: [{ address: 'other' }] }));
  await session.pass(1_000);
  await session.pass(1_000);
  await session.pass(1_000);
  await session.send(feed.handle, '/events/notice');
  expectRecord(session, 'closing-feed');
});

it('the bytes of connections that end by age, expiry and disconnect are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed<{ readonly expiresAt?: number }>(session, {
    maxDurationMs: 10_000,
    retryMs: 2_000,
    streams: neverEnds,
    // Decides on `other` in 10 ms, so that a request waits.
    authorize: async ({ topic }) => {
      if (topic === 'other') await new Promise<void>((resolve) => session.clock.after(10, resolve));
      return true;
    },
    context: (request) => {
      const expires = request.headers.get('x-expires');
      return expires === null ? {} : { expiresAt: session.clock.wallNow() + Number(expires) };
    },
  });
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, list('notice', 'tick?key=t'), { headers: { 'x-expires': '4000' } });
  await session.pass(4_000);
  await session.pass(4_999);
  await session.pass(1);
  await session.send(feed.handle, '/events/notice');
  await session.step('disconnect', () => feed.disconnect(() => true));
  const meanwhile = ['disconnect', () => feed.disconnect(() => true)] as const;
  await session.send(feed.handle, '/events/other', { meanwhile });
  await session.send(feed.handle, '/events', { ...post({ topics: [{ address: 'other' }] }), meanwhile });
  await session.send(feed.handle, '/events/notice', { headers: { 'x-expires': '-1' } });
  await session.send(feed.handle, '/events', {
    ...post({ topics: [{ address: 'notice' }] }),
    headers: { 'x-expires': '-1' },
  });
  await expectRecordAfterClose(session, feed, 'ends-of-connections');
});
