import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createBench, post } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { connect } from '../../../test-kit/tap.ts';

describe('closing a feed', () => {
  it('close() resolves when the last connection closes, even before the end of graceMs', async () => {
    const { feed, open, clock } = createBench();
    const taps = [await open('/events/notice'), await open('/events/notice')];
    let closed = false;
    void feed.close({ graceMs: 60_000 }).then(() => (closed = true));
    await clock.settle();
    expect([taps[0]!.ended, taps[1]!.ended, closed]).toEqual([true, false, false]);
    taps[1]!.leave();
    await clock.settle();
    expect(closed).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it('close() leaves no timer when onClose of the first connection disconnects the others', async () => {
    const { feed, open, clock } = createBench({ onClose: () => void feed.disconnect(() => true) });
    await open('/events/notice');
    await open('/events/notice');
    await feed.close({ graceMs: 60_000 });
    expect(clock.pending).toBe(0);
  });

  it('publish reaches open connections until close() resolves', async () => {
    const { feed, open, clock } = createBench();
    const first = await open('/events/other');
    const second = await open('/events/other');
    const closing = feed.close({ graceMs: 1_000 });
    await feed.publish('other', { n: 1 });
    await clock.settle();
    expect([first.payloads, second.payloads]).toEqual([[], [{ n: 1 }]]);
    await clock.advance(1_000);
    await closing;
    await expect(feed.publish('other', { n: 2 })).rejects.toMatchObject({ code: 'closed' });
  });

  it('close() resolves at once when no connection is open', async () => {
    const { feed, clock } = createBench();
    await feed.close({ graceMs: 60_000 });
    expect(clock.pending).toBe(0);
  });

  it('a pending close() keeps its process alive', () => {
    const script = fileURLToPath(new URL('../../../test-kit/closing.ts', import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['closed with 0 connections\n', '']);
  });
});

describe('a request that is pending when the feed closes', () => {
  const deciders = ['context', 'authorize'] as const;

  it.each(deciders)(
    'a GET that is pending in %s gets linefeed.reconnect when the feed closes',
    async (held) => {
      const gate = createGate();
      const { feed, ask, clock } = createBench({ [held]: gate.wait });
      const asking = ask('/events/notice');
      await clock.settle();
      const closing = feed.close({ graceMs: 1_000 });
      gate.open();
      const tap = connect(await asking);
      await closing;
      expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'drain' } }]);
      expect([tap.ended, feed.stats().connections]).toEqual([true, 0]);
    },
  );

  it.each(deciders)('a POST that is pending in %s gets 503 when the feed closes', async (held) => {
    const gate = createGate();
    const { feed, ask, clock } = createBench({ [held]: gate.wait });
    const asking = ask('/events', post({ topics: [{ address: 'notice' }] }));
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await clock.settle();
    void feed.close();
    gate.open();
    const answer = await asking;
    expect([answer.status, JSON.parse(answer.body as string).code]).toEqual([503, 'draining']);
  });

  it('a response opens no connection when the feed closes between its head and its body', async () => {
    const { feed, ask } = createBench();
    const answer = await ask('/events/notice');
    await feed.close();
    const tap = connect(answer);
    expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'drain' } }]);
    expect(feed.stats().connections).toBe(0);
  });

  it('a pending control request starts no source when the feed closes, and its connection gets linefeed.reconnect', async () => {
    const gate = createGate();
    let runs = 0;
    const { feed, open, ask, clock } = createBench({
      authorize: ({ topic }) => topic !== 'tick' || gate.wait(),
      streams: {
        *tick() {
          yield (runs += 1);
        },
      },
    });
    await open('/events/notice');
    const tap = await open('/events/notice');
    const { connection } = tap;
    const asking = ask('/events', post({ connection, n: 1, add: [{ address: 'tick', key: 'a' }] }));
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await clock.settle();
    void feed.close({ graceMs: 60_000 });
    gate.open();
    expect((await asking).status).toBe(503);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'drain' } }]);
    expect(runs).toBe(0);
  });
});
