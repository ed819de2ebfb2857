import { describe, expect, it, vi } from 'vitest';
import { createSpecParser, type SpecParser } from '../../../test-kit/spec-parser.ts';
import { Tap, type TapOptions } from '../../../test-kit/tap.ts';
import type { EventStreamContent } from './content.ts';
import { toEventStreamResponse, readLastEventId } from './event-stream.ts';
import type { EventStreamOptions, StreamEnd } from './options.ts';
import type { HttpResponse } from '../http/http.ts';
import { message } from '../stream/message.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';

interface Run {
  readonly answer: HttpResponse;
  readonly tap: Tap;
  readonly clock: ManualClock;
  /** Every call of `onClose` and `onError`, in order. */
  readonly ends: StreamEnd[];
  readonly errors: unknown[];
  readonly read: () => SpecParser;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly gone?: boolean;
  readonly tap?: TapOptions;
}

function start(
  content: EventStreamContent<unknown>,
  options: EventStreamOptions = {},
  asked: Asked = {},
): Run {
  const { method = 'GET', headers = {}, gone = false } = asked;
  const clock = createManualClock();
  const ends: StreamEnd[] = [];
  const errors: unknown[] = [];
  const answer = toEventStreamResponse(
    content,
    { method, header: (name) => headers[name], gone },
    { clock, onClose: (end) => void ends.push(end), onError: (error) => void errors.push(error), ...options },
  );
  const tap = new Tap(asked.tap);
  if (gone) tap.leave();
  if (typeof answer.body === 'function') answer.body(tap);
  const read = (): SpecParser => {
    const parser = createSpecParser();
    parser.feed(new TextEncoder().encode(tap.text));
    return parser;
  };
  return { answer, tap, clock, ends, errors, read };
}

async function run(
  content: EventStreamContent<unknown>,
  options?: EventStreamOptions,
  asked?: Asked,
): Promise<Run> {
  const started = start(content, options, asked);
  await started.clock.settle();
  return started;
}

/** A source that waits until a value is emitted, and records how it ended. */
function createSource(): {
  content: (given: { signal: AbortSignal; lastEventId: string | undefined }) => AsyncGenerator;
  emit: (value: unknown) => void;
  log: string[];
} {
  const log: string[] = [];
  let wake: (value: unknown) => void = () => undefined;
  return {
    log,
    emit: (value) => wake(value),
    async *content({ signal }) {
      signal.addEventListener('abort', () => log.push('abort'));
      try {
        for (;;) {
          const value = await new Promise<unknown>((resolve, reject) => {
            wake = resolve;
            signal.addEventListener('abort', () => reject(new DOMException('over', 'AbortError')));
          });
          yield value;
        }
      } finally {
        log.push('finally');
      }
    },
  };
}

describe('the opening of an event stream', () => {
  it('the opening is written at once as a complete block, before the source is pulled', async () => {
    const asked = vi.fn();
    const { tap, clock } = start(
      (function* () {
        asked();
        yield 1;
      })(),
    );
    expect(tap.text).toBe(': \n\n');
    expect(asked).not.toHaveBeenCalled();
    await clock.settle();
    expect(tap.text).toBe(': \n\ndata: 1\n\n');
  });

  it('the opening contains the comment and the retry field once', async () => {
    const { tap } = await run([1, 2], { comment: 'welcome\r\nback', retryMs: 0 });
    expect(tap.text).toBe(': welcome\n: back\nretry: 0\n\ndata: 1\n\ndata: 2\n\n');
  });

  it('the opening is a complete block when no event follows', async () => {
    const { tap, ends } = await run([], { comment: 'c', retryMs: 5, event: 'e', id: 'i' });
    expect(tap.text).toBe(': c\nretry: 5\n\n');
    expect(tap.ended).toBe(true);
    expect(ends).toEqual([{ reason: 'finished' }]);
  });

  it('a yield without an event or id takes those of the options', async () => {
    const { read } = await run([1, message(2, { event: 'b', id: 0 }), { data: 3 }], { event: 'a', id: 'x' });
    expect(read().events).toEqual([
      { event: 'a', data: '1', lastEventId: 'x' },
      { event: 'b', data: '2', lastEventId: '0' },
      { event: 'a', data: '{"data":3}', lastEventId: 'x' },
    ]);
  });

  it.each<[string, EventStreamOptions]>([
    ['pingMs 0', { pingMs: 0 }],
    ['a negative pingMs', { pingMs: -1 }],
    ['pingMs NaN', { pingMs: Number.NaN }],
    ['an infinite pingMs', { pingMs: Infinity }],
    ['an unknown ping mode', { ping: 'toString' as 'comment' }],
    ['stallTimeoutMs 0', { stallTimeoutMs: 0 }],
    ['a retryMs that is not a number', { retryMs: '5' as unknown as number }],
    ['an event with a line break', { event: 'a\nb' }],
    ['a comment that is not a string', { comment: ['a'] as unknown as string }],
    ['an unknown encoding', { encoding: 'utf-9' }],
    ['a status without a body', { status: 204 }],
    ['a content-type header', { headers: { 'content-type': 'text/html' } }],
  ])('%s is refused at the call, before the source is called', (_, options) => {
    const source = vi.fn(() => []);
    expect(() => start(source, options)).toThrow(expect.objectContaining({ name: 'LinefeedError' }));
    expect(source).not.toHaveBeenCalled();
  });

  it('invalid content is refused at the call', () => {
    expect(() => start({ a: 1 } as unknown as string)).toThrow(
      expect.objectContaining({ code: 'invalid_content' }),
    );
    expect(() => start((() => 7) as unknown as string)).toThrow(
      expect.objectContaining({ code: 'invalid_content' }),
    );
  });
});

describe('the request of an event stream', () => {
  it('a request that accepts an event stream with quality 0 gets 406, and the content is cancelled', async () => {
    const log: string[] = [];
    const content = new ReadableStream({ cancel: () => void log.push('cancelled') });
    const { answer, ends } = await run(content, {}, { headers: { accept: 'text/*;q=0, */*' } });
    expect(answer).toMatchObject({ status: 406, body: expect.stringContaining('"code":"not_acceptable"') });
    expect([log, ends]).toEqual([['cancelled'], [{ reason: 'refused' }]]);
  });

  it('a request whose Accept header does not name an event stream gets it', async () => {
    const { answer, tap } = await run(['a'], {}, { headers: { accept: 'application/json' } });
    expect([answer.status, tap.text]).toEqual([200, ': \n\ndata: a\n\n']);
  });

  it('a HEAD request gets only the head, and the source does not start', async () => {
    const source = vi.fn(() => [1]);
    const { answer, ends } = await run(source, { status: 201, headers: { 'x-a': '1' } }, { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 201, body: undefined });
    expect(answer.headers).toContainEqual(['x-a', '1']);
    expect(answer.headers).toContainEqual(['content-type', 'text/event-stream; charset=utf-8']);
    expect(source).not.toHaveBeenCalled();
    expect(ends).toEqual([{ reason: 'finished' }]);
  });

  it('a source receives the Last-Event-ID header, decoded from UTF-8 bytes', async () => {
    const { read } = await run(
      ({ lastEventId }) => [lastEventId ?? 'none'],
      {},
      { headers: { 'last-event-id': 'Ã¼-4' } },
    );
    expect(read().events[0]!.data).toBe('ü-4');
    expect([undefined, '', '41', 'ü', '€'].map(readLastEventId)).toEqual([
      undefined,
      undefined,
      '41',
      'ü',
      '€',
    ]);
  });

  it('a request whose client has left starts no source', async () => {
    const source = vi.fn(() => [1]);
    const { ends, tap } = await run(source, {}, { gone: true });
    expect(source).not.toHaveBeenCalled();
    expect([ends, tap.text]).toEqual([[{ reason: 'client' }], '']);
  });
});

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

describe('failures of a source', () => {
  const secret = new Error('password=hunter2');

  it('a function that throws before the head causes a 500 without the message of its error', async () => {
    const { answer, ends, errors } = await run(() => {
      throw Object.assign(secret, { status: 404 });
    });
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('hunter2');
    expect([ends, errors]).toEqual([[{ reason: 'failed', error: secret }], [secret]]);
  });

  it.each<[string, EventStreamContent<unknown>]>([
    [
      'a generator',
      (function* () {
        yield 1;
        throw secret;
      })(),
    ],
    [
      'an async generator',
      async function* () {
        yield 1;
        throw secret;
      },
    ],
    [
      'a ReadableStream',
      new ReadableStream(
        {
          pull(controller) {
            if (controller.desiredSize === 0) controller.enqueue(1);
            controller.error(secret);
          },
          start: (controller) => controller.enqueue(1),
        },
        { highWaterMark: 0 },
      ),
    ],
  ])(
    "%s that fails midway with failure: 'frame' sends linefeed.error without internals and ends the response",
    async (_, content) => {
      const { tap, read, ends, errors } = await run(content, { failure: 'frame' });
      expect(read().events.at(-1)).toEqual({
        event: 'linefeed.error',
        data: '{"code":"source_failed","message":"The source failed.","retryable":false}',
        lastEventId: '',
      });
      expect(tap.text).not.toContain('hunter2');
      expect([tap.ended, ends, errors]).toEqual([true, [{ reason: 'failed', error: secret }], [secret]]);
    },
  );

  it('an async function that rejects breaks the response off, because the head was sent', async () => {
    const { tap, errors } = await run(async () => {
      throw secret;
    });
    expect([tap.text, tap.broken?.name]).toEqual([': \n\n', 'LinefeedError']);
    expect(errors).toEqual([secret]);
  });

  it('a yield that cannot be encoded ends the source', async () => {
    const log: string[] = [];
    const { tap, errors } = await run(
      (function* () {
        try {
          yield { when: new Date(0) };
        } finally {
          log.push('finally');
        }
      })(),
    );
    expect([tap.text, tap.broken?.name]).toEqual([': \n\n', 'LinefeedError']);
    expect(log).toEqual(['finally']);
    expect(errors).toEqual([
      expect.objectContaining({ code: 'invalid_content', message: expect.stringContaining('"when"') }),
    ]);
  });

  it('an error in the cleanup of a source is reported after its client left', async () => {
    const { tap, clock, errors } = await run(
      (function* () {
        try {
          for (;;) yield 'x'.repeat(100);
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- the failure under test
          throw secret;
        }
      })(),
      {},
      { tap: { roomBytes: 10 } },
    );
    tap.leave();
    await clock.settle();
    expect(errors).toEqual([secret]);
  });

  it('a failure is printed on the console without onError, and an error of onError is printed too', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await run(() => Promise.reject(secret), { onError: undefined });
    const failing = (): void => {
      throw new Error('hook');
    };
    await run(() => Promise.reject(secret), { onError: failing });
    expect(printed.mock.calls).toEqual([
      ['linefeed:', secret],
      ['linefeed: onError itself failed:', new Error('hook')],
    ]);
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

describe('an event stream that cannot be sent', () => {
  const bad = { headers: { 'x-a': 'b\u0001' } };

  it.each<[string, EventStreamOptions, { headSent?: boolean }]>([
    ['an invalid header', bad, {}],
    ['a status without a body', { status: 204 }, {}],
    ['an invalid cookie', { cookies: { 'a b': '1' } }, {}],
    ['an invalid option', { pingMs: -1 }, {}],
    ['a fractional retryMs', { retryMs: 0.5 }, {}],
    ['a head that is already sent', {}, { headSent: true }],
  ])(
    'an event stream with %s calls no function, starts no source and calls onClose',
    (_name, options, asked) => {
      const log: string[] = [];
      const ends: StreamEnd[] = [];
      const request = { method: 'GET', header: () => undefined, gone: false, ...asked };
      const source = { next: () => ({ value: log.push('started') }), return: () => log.push('returned') };
      for (const content of [() => [log.push('called')], source as unknown as Iterator<number>]) {
        const answer = (): HttpResponse =>
          toEventStreamResponse(content, request, { ...options, onClose: (end) => void ends.push(end) });
        expect(answer).toThrow(expect.objectContaining({ name: 'LinefeedError' }));
      }
      expect(log).toEqual(['returned']);
      expect(ends).toMatchObject([{ reason: 'failed' }, { reason: 'failed' }]);
    },
  );

  it('onClose is called when a function returns invalid content', () => {
    const ends: StreamEnd[] = [];
    const request = { method: 'GET', header: () => undefined, gone: false };
    const content = (() => 7) as unknown as () => string;
    expect(() => toEventStreamResponse(content, request, { onClose: (end) => void ends.push(end) })).toThrow(
      'no content',
    );
    expect(ends).toMatchObject([{ reason: 'failed', error: { code: 'invalid_content' } }]);
  });
});
