import { describe, expect, it, vi } from 'vitest';
import { run, start } from '../../../test-kit/event-stream-bench.ts';
import type { HttpResponse } from '../http/http.ts';
import { message } from '../stream/message.ts';
import { toEventStreamResponse, readLastEventId } from './event-stream.ts';
import type { EventStreamOptions, StreamEnd } from './options.ts';

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
      'cannot be the content',
    );
    expect(ends).toMatchObject([{ reason: 'failed', error: { code: 'invalid_content' } }]);
  });
});
