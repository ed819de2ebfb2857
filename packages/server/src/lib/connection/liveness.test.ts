import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';

describe('liveness', () => {
  it('an idle connection gets a ping, or a bookmark if its cursor moved without a matching event', async () => {
    const { feed, open, clock } = createBench({ pingMs: 1_000 });
    const tap = await open('/events/notice');
    await clock.advance(900);
    expect(tap.of('linefeed.ping')).toEqual([]);
    await clock.advance(300);
    expect(tap.of('linefeed.ping')).toEqual([{ event: 'linefeed.ping', id: undefined, data: {} }]);
    await clock.advance(600);
    await feed.publish('notice', { text: 'speaks' });
    await clock.advance(900);
    expect(tap.of('linefeed.ping')).toHaveLength(1);
    await feed.publish('other', { n: 1 });
    await clock.advance(400);
    expect(tap.of('linefeed.bookmark')).toEqual([
      { event: 'linefeed.bookmark', id: feed.cursor(), data: {} },
    ]);
    await clock.advance(1_200);
    expect(tap.of('linefeed.bookmark')).toHaveLength(1);
    expect(tap.of('linefeed.ping')).toHaveLength(2);
  });

  it('a connection gets linefeed.reconnect at 80 to 100 % of its lifetime, and when its context expires', async () => {
    const { open, clock } = createBench({ maxDurationMs: 100_000, pingMs: 10_000 });
    const tap = await open('/events/notice');
    await clock.advance(79_000);
    expect(tap.ended).toBe(false);
    await clock.advance(22_000);
    expect(tap.dataOf('linefeed.reconnect')[0]).toEqual({ afterMs: 0, reason: 'lifetime' });
    expect(tap.ended).toBe(true);

    const expiring = createBench({ context: () => ({ expiresAt: Date.UTC(2026, 0, 1) + 5_000 }) });
    const short = await expiring.open('/events/notice');
    await expiring.clock.advance(4_000);
    expect(short.ended).toBe(false);
    await expiring.clock.advance(2_000);
    expect(short.dataOf('linefeed.reconnect')[0]).toMatchObject({ reason: 'expired' });
  });

  it('a connection stays open without limit with maxDurationMs: false', async () => {
    const { open, clock } = createBench({ maxDurationMs: false, pingMs: 3_600_000, timeoutMs: 7_200_000 });
    const tap = await open('/events/notice');
    await clock.advance(7_200_000);
    expect(tap.ended).toBe(false);
  });

  it('hello announces 0 for pingMs, timeoutMs and maxDurationMs that are false, and no ping is sent', async () => {
    const { open, clock } = createBench({ pingMs: false, maxDurationMs: false });
    const tap = await open('/events/notice');
    expect(tap.dataOf('linefeed.hello')).toMatchObject([{ pingMs: 0, timeoutMs: 0, maxDurationMs: 0 }]);
    await clock.advance(7_200_000);
    expect([tap.of('linefeed.ping'), tap.ended]).toEqual([[], false]);
  });

  it('a reader that never takes the last bytes of an ended connection is cut off', async () => {
    const { feed, open, clock } = createBench({ stallTimeoutMs: 5_000 });
    const tap = await open('/events/notice', {}, { roomBytes: 10, endsWhenDrained: true });
    expect(feed.disconnect(() => true)).toBe(1);
    await clock.advance(4_000);
    expect(tap.closed).toBe(false);
    await clock.advance(3_000);
    expect(tap.destroyed).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it('no timer remains after the last connection closes', async () => {
    const { open, clock } = createBench();
    const tap = await open('/events/notice');
    expect(clock.pending).toBe(1);
    tap.leave();
    expect(clock.pending).toBe(0);
  });
});
