import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import { createSource, run, start } from '../../../test-kit/event-stream-bench.ts';
import type { Tap } from '../../../test-kit/tap.ts';

describe('the end of a source', () => {
  const ways = {
    'while idle': { act: async (tap: Tap) => tap.leave(), values: 0 },
    'while producing': {
      act: async (tap: Tap, emit: (value: unknown) => void, clock: ManualClock) => {
        emit(1);
        await clock.settle();
        emit(2);
        tap.leave();
      },
      values: 1,
    },
    'while blocked on drain': {
      act: async (tap: Tap, emit: (value: unknown) => void, clock: ManualClock) => {
        emit('x'.repeat(100));
        await clock.settle();
        expect(tap.roomBytes).toBe(0);
        tap.leave();
      },
      values: 1,
    },
  };

  it.each(Object.entries(ways))(
    'a source is aborted and returned when its client leaves: %s',
    async (_, { act }) => {
      const { content, emit, log } = createSource();
      const { tap, clock, ends, errors } = await run(content, {}, { tap: { roomBytes: 50 } });
      tap.drain();
      await act(tap, emit, clock);
      await clock.settle();
      expect(log).toEqual(['abort', 'finally']);
      expect([ends, errors, clock.pending]).toEqual([[{ reason: 'client' }], [], 0]);
    },
  );

  it('a source that has not started is cancelled when its client leaves', async () => {
    const log: string[] = [];
    const { tap, clock, ends } = start(({ signal }) => {
      signal.addEventListener('abort', () => log.push('abort'));
      return new ReadableStream({ cancel: () => void log.push('cancelled') }, { highWaterMark: 0 });
    });
    tap.leave();
    await clock.settle();
    expect([log, ends]).toEqual([['abort', 'cancelled'], [{ reason: 'client' }]]);
  });

  it('a source whose promise resolves after its client left is cancelled', async () => {
    const log: string[] = [];
    let give: (content: ReadableStream) => void = () => undefined;
    const { tap, clock, ends } = await run(() => new Promise<ReadableStream>((resolve) => (give = resolve)));
    tap.leave();
    await clock.settle();
    expect(ends).toEqual([{ reason: 'client' }]);
    give(new ReadableStream({ cancel: () => void log.push('cancelled') }));
    await clock.settle();
    expect(log).toEqual(['cancelled']);
  });

  it.each([
    ['producing', 1, 1e9],
    ['blocked on drain', 100, 10],
  ])('a synchronous source is returned when its client leaves: %s', async (_, length, roomBytes) => {
    const log: string[] = [];
    let leave = (): void => undefined;
    const { tap, clock, ends } = start(
      (function* () {
        try {
          for (;;) {
            if (log.push('item') === 40) leave();
            yield 'x'.repeat(length);
          }
        } finally {
          log.push('finally');
        }
      })(),
      {},
      { tap: { roomBytes } },
    );
    leave = () => tap.leave();
    tap.drain();
    await clock.settle();
    if (!tap.closed) tap.leave();
    await clock.settle();
    expect(log.at(-1)).toBe('finally');
    expect(log.length).toBeLessThanOrEqual(41);
    expect(ends).toEqual([{ reason: 'client' }]);
  });

  it('a source is pulled for one item beyond the room of its reader', async () => {
    let taken = 0;
    const { tap, clock } = await run(
      (function* () {
        for (;;) yield (taken += 1);
      })(),
      {},
      { tap: { roomBytes: 40 } },
    );
    // The opening has 4 bytes, and each item 9.
    expect(taken).toBe(4);
    tap.drain();
    await clock.settle();
    expect(taken).toBe(9);
    tap.leave();
  });

  it('a reader that takes nothing for stallTimeoutMs is cut off, also after the last frame', async () => {
    for (const length of [1, 1_000]) {
      const log: string[] = [];
      const { tap, clock, ends } = await run(
        (function* () {
          try {
            for (let n = 0; n < length; n += 1) yield 'x'.repeat(100);
          } finally {
            log.push('finally');
          }
        })(),
        { stallTimeoutMs: 5_000 },
        { tap: { roomBytes: 50 } },
      );
      await clock.advance(4_900);
      expect(tap.destroyed).toBe(false);
      await clock.advance(2_000);
      expect(tap.destroyed || tap.ended).toBe(true);
      await clock.settle();
      expect([log, clock.pending]).toEqual([['finally'], 0]);
      expect(ends).toHaveLength(1);
    }
  });

  it('a slow reader that makes progress within stallTimeoutMs is not cut off', async () => {
    const { tap, clock, ends } = await run(
      (function* () {
        for (;;) yield 'x'.repeat(100);
      })(),
      { stallTimeoutMs: 5_000 },
      { tap: { roomBytes: 50 } },
    );
    for (let turn = 0; turn < 10; turn += 1) {
      await clock.advance(4_000);
      tap.drain();
    }
    expect([tap.destroyed, ends]).toEqual([false, []]);
    tap.leave();
  });

  it('an endless synchronous source does not block the event loop', async () => {
    const clock = {
      ...createManualClock(),
      defer: (call: () => void) => void setImmediate(call),
      now: () => performance.now(),
    };
    const { tap } = start(
      (function* () {
        for (;;) yield 1;
      })(),
      { clock },
    );
    const began = performance.now();
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    // Five turns of a loop that yields to the event loop every 8 ms.
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(tap.writes.length).toBeGreaterThan(100);
    tap.leave();
    const { length } = tap.writes;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(tap.writes).toHaveLength(length);
  });

  it('promises in a synchronous iterable are awaited and their values are sent', async () => {
    const { read } = await run([Promise.resolve('a'), 'b']);
    expect(read().events.map(({ data }) => data)).toEqual(['a', 'b']);
  });
});

describe('onClose of an event stream', () => {
  it('several onClose functions run one after the other, and their errors are reported', async () => {
    const log: unknown[] = [];
    const failure = new Error('afterwards');
    const { errors } = await run([1], {
      onClose: [
        async (end) => {
          await Promise.resolve();
          log.push(['first', end.reason]);
        },
        () => {
          throw failure;
        },
        (end) => log.push(['third', end.reason]),
      ],
    });
    expect(log).toEqual([
      ['first', 'finished'],
      ['third', 'finished'],
    ]);
    expect(errors).toEqual([failure]);
  });

  it('onClose is called after the source has ended', async () => {
    const log: string[] = [];
    const { content } = createSource();
    const { tap, clock } = await run(
      async function* (given) {
        try {
          yield* content(given);
        } finally {
          log.push('finally');
        }
      },
      { onClose: () => log.push('closed') },
    );
    tap.leave();
    await clock.settle();
    expect(log).toEqual(['finally', 'closed']);
  });
});
