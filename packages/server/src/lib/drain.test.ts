import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createBench } from '../../test-kit/feed-bench.ts';
import { Tap } from '../../test-kit/tap.ts';
import type { Answer } from './exchange.ts';

/** Holds every caller until `open` is called. */
function createGate(): { wait: () => Promise<true>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<true>((resolve) => (open = () => resolve(true)));
  return { wait: () => opened, open };
}

const post = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });

function connect(answer: Answer): Tap {
  const tap = new Tap();
  (answer.body as (outlet: Tap) => void)(tap);
  return tap;
}

describe('closing a feed', () => {
  it('is over as soon as nobody is left, however long the grace is', async () => {
    const { feed, open, clock } = createBench();
    const taps = [await open('/events/notice'), await open('/events/notice')];
    let closed = false;
    void feed.close({ graceMs: 60_000 }).then(() => (closed = true));
    await clock.settle();
    expect([taps[0]!.ended, taps[1]!.ended, closed]).toEqual([true, false, false]);
    taps[1]!.leave();
    await clock.settle();
    expect(closed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves no timer behind where the first that goes takes the others along', async () => {
    const { feed, open, clock } = createBench({ onClose: () => void feed.disconnect(() => true) });
    await open('/events/notice');
    await open('/events/notice');
    await feed.close({ graceMs: 60_000 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('takes publishes until it is over, for those who are still open', async () => {
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

  it('is over at once where nothing is open', async () => {
    const { feed, clock } = createBench();
    await feed.close({ graceMs: 60_000 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps its process alive until it is over', () => {
    const script = fileURLToPath(new URL('../../test-kit/closing.ts', import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['closed with 0 connections\n', '']);
  });
});

describe('a request that is still being decided on when the feed is closed', () => {
  const deciders = ['context', 'authorize'] as const;

  it.each(deciders)('is asked to come back: a GET, held by %s', async (held) => {
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
  });

  it.each(deciders)('is refused with 503: a POST, held by %s', async (held) => {
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

  it('opens nothing where only its head was answered', async () => {
    const { feed, ask } = createBench();
    const answer = await ask('/events/notice');
    await feed.close();
    const tap = connect(answer);
    expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'drain' } }]);
    expect(feed.stats().connections).toBe(0);
  });

  it('starts no source where it is a control request, and the connection is asked to come back now', async () => {
    const gate = createGate();
    let runs = 0;
    const { feed, open, ask, clock } = createBench({
      authorize: ({ topic }) => topic !== 'tick' || gate.wait(),
      streams: {
        *report() {},
        *tick() {
          yield (runs += 1);
        },
      },
    });
    await open('/events/notice');
    const tap = await open('/events/notice');
    const { connection } = tap.frames[0]!.data as { connection: string };
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
