import { parseEventId } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { Tap } from '../../../test-kit/tap.ts';

describe('a connection', () => {
  it.each([
    ['80', 0],
    ['100', 1],
  ])('a connection ends at %s %% of maxDurationMs when the random number is %d', async (percent, chance) => {
    const { open, clock } = createBench({ maxDurationMs: 100_000, pingMs: 5_000 });
    clock.random = () => chance;
    const tap = await open('/events/notice');
    await clock.advance(Number(percent) * 1_000 - 1_000);
    expect(tap.ended).toBe(false);
    await clock.advance(2_000);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'lifetime' } }]);
  });

  it('a connection with a short maxDurationMs ends on time, not at the next heartbeat step', async () => {
    const { open, clock } = createBench({ maxDurationMs: 250 });
    clock.random = () => 0.5;
    const tap = await open('/events/notice');
    await clock.advance(224);
    expect(tap.ended).toBe(false);
    await clock.advance(1);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'lifetime' } }]);
    expect(clock.pending).toBe(0);
  });

  it('a reconnect frame with afterMs 0 keeps retryMs as the retry field for native EventSource', async () => {
    const { feed, open } = createBench({ retryMs: 1_500 });
    const tap = await open('/events/notice');
    feed.disconnect(() => true);
    expect(tap.text).toMatch(/retry: 1500\nevent: linefeed\.reconnect\ndata: \{"afterMs":0,/);
  });

  it('a control request that removes a stream aborts its signal and returns its source', async () => {
    const seen: string[] = [];
    const { open, control, clock } = createBench({
      streams: {
        async *tick({ signal }) {
          signal.addEventListener('abort', () => seen.push('aborted'));
          try {
            yield 1;
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
          } finally {
            seen.push('returned');
          }
        },
      },
    });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da');
    await clock.settle();
    await control(tap, { remove: ['tick~a'] });
    expect(seen).toEqual(['aborted', 'returned']);
    expect([tap.ended, tap.of('tick~a').length]).toEqual([false, 1]);
  });

  it('the id of a stream event does not pass a logged event that is not written yet', async () => {
    let yieldNow: () => void = () => undefined;
    const { feed, open, take } = createBench({
      maxBufferedBytes: 1_000,
      streams: {
        async *tick() {
          await new Promise<void>((resolve) => (yieldNow = resolve));
          yield 1;
        },
      },
    });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da', {}, { roomBytes: 10_000 });
    const before = feed.cursor();
    // Together with the waiting bytes this exceeds the bound. It is dropped, and read again when there is room.
    await feed.publish('notice', { text: 'x'.repeat(900) });
    yieldNow();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    await take(tap);
    const frames = tap.frames.filter(({ event }) => ['notice', 'tick~a'].includes(event));
    expect(frames.map(({ event }) => event)).toEqual(['tick~a', 'notice']);
    expect(parseEventId(frames[0]!.id!).cursor).toEqual(parseEventId(before).cursor);
  });

  it('stream frames of one tick share one write, after logged events that were published before them', async () => {
    let yieldNow: () => void = () => undefined;
    const { feed, open, clock } = createBench({
      streams: {
        async *tick() {
          await new Promise<void>((resolve) => (yieldNow = resolve));
          for (let n = 1; n <= 3; n += 1) yield n;
        },
      },
    });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da&topic=nothing');
    expect(tap.events).toEqual([
      'linefeed.hello',
      'linefeed.subscribed',
      'linefeed.error',
      'linefeed.subscribed',
    ]);
    expect(tap.writes).toHaveLength(1);
    await feed.publish('notice', { text: 'first' });
    yieldNow();
    // Still within the same tick.
    for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
    await clock.settle();
    expect(tap.payloads).toEqual([{ text: 'first' }, 1, 2, 3]);
    expect(tap.writes).toHaveLength(3);
  });

  it('a replay stops when the adapter has closed the response without notice', async () => {
    const { feed, ask, clock, errors, publishNumbers } = createBench();
    await publishNumbers(1, 3);
    const { body } = await ask('/events/other?from=earliest');
    const tap = new Tap();
    let asked = 0;
    Object.defineProperty(tap, 'roomBytes', {
      get() {
        asked += 1;
        // A loop without progress would block the test forever.
        if (asked > 1_000) throw new Error('requested room in a loop');
        return tap.closed ? 0 : Infinity;
      },
    });
    if (typeof body === 'function') body(tap);
    tap.closed = true;
    await clock.settle();
    expect(errors).toEqual([]);
    expect(asked).toBeLessThan(20);
    feed.disconnect(() => true);
  });

  it('frames of one tick are written at once when they exceed 16 KiB or the room', async () => {
    const openWith = async (roomBytes: number): Promise<number[]> => {
      const streams = {
        *tick() {
          for (let n = 0; n < 2_000; n += 1) yield n;
        },
      };
      const tap = await createBench({ streams }).open('/events/tick', {}, { roomBytes });
      return tap.writes.map(({ byteLength }) => byteLength);
    };
    const writes = await openWith(Infinity);
    expect(writes.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(50_000);
    // The opening is a write of its own: it does not wait for a source.
    expect(writes.length).toBeLessThan(7);
    expect(Math.max(...writes)).toBeLessThan(16 * 1024 + 50);
    const [opening = 0, first = 0, ...others] = await openWith(2_000);
    const filled = opening + first;
    expect([filled >= 2_000, filled < 2_050, others]).toEqual([true, true, []]);
  });
});
