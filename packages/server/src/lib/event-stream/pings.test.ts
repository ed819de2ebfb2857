import { createManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import { createSource, run, start } from '../../../test-kit/event-stream-bench.ts';
import type { EventStreamOptions } from './options.ts';

describe('pings of an event stream', () => {
  it('a ping is sent pingMs after the last frame', async () => {
    const { content, emit } = createSource();
    const { tap, clock } = await run(content, { pingMs: 1_000 });
    await clock.advance(900);
    emit('a');
    await clock.advance(900);
    expect(tap.text).toBe(': \n\ndata: a\n\n');
    await clock.advance(300);
    expect(tap.text).toBe(': \n\ndata: a\n\n: ping\n\n');
    await clock.advance(3_000);
    expect(tap.text.split(': ping\n\n')).toHaveLength(4 + 1);
    tap.leave();
  });

  it('a ping is a linefeed.ping event with the option ping: event', async () => {
    const { content } = createSource();
    const { tap, clock, read } = await run(content, { pingMs: 100, ping: 'event' });
    await clock.advance(130);
    expect(read().events).toEqual([{ event: 'linefeed.ping', data: '{}', lastEventId: '' }]);
    tap.leave();
  });

  it.each<[string, EventStreamOptions]>([
    ['by default', {}],
    ['with pingMs false', { pingMs: false }],
  ])('no ping is sent %s', async (_, options) => {
    const { content } = createSource();
    const { tap, clock } = await run(content, options);
    await clock.advance(3_600_000);
    expect(tap.text).toBe(': \n\n');
    tap.leave();
  });

  it('pings are not written to a blocked socket, and continue when it has room', async () => {
    const { content, emit } = createSource();
    const { tap, clock } = await run(
      content,
      { pingMs: 100, stallTimeoutMs: false },
      { tap: { roomBytes: 10 } },
    );
    tap.drain();
    emit('a longer one');
    await clock.advance(1_000);
    expect(tap.text).toBe(': \n\ndata: a longer one\n\n');
    tap.drain();
    await clock.advance(30);
    expect(tap.text).toBe(': \n\ndata: a longer one\n\n: ping\n\n');
    tap.leave();
  });

  it.each(['finished', 'client', 'failed'] as const)(
    'no ping and no timer remains after an event stream ends: %s',
    async (reason) => {
      const { content } = createSource();
      const failing = (): Iterable<unknown> => {
        throw new Error('no');
      };
      const { tap, clock, ends } = await run(
        reason === 'client' ? content : reason === 'finished' ? [1] : { [Symbol.iterator]: failing as never },
        { pingMs: 10 },
      );
      if (reason === 'client') tap.leave();
      await clock.settle();
      const { text } = tap;
      expect(clock.pending).toBe(0);
      await clock.advance(1_000);
      expect(tap.text).toBe(text);
      expect(ends.map((end) => end.reason)).toEqual([reason]);
    },
  );

  it('pings of many event streams share one timer', async () => {
    const clock = createManualClock();
    const taps = Array.from({ length: 50 }, () => {
      const { content } = createSource();
      const { tap } = start(content, { pingMs: 15_000, clock });
      return tap;
    });
    await clock.settle();
    expect(clock.pending).toBe(1);
    await clock.advance(16_000);
    expect(new Set(taps.map((tap) => tap.text))).toEqual(new Set([': \n\n: ping\n\n']));
    for (const tap of taps) tap.leave();
    expect(clock.pending).toBe(0);
  });
});
