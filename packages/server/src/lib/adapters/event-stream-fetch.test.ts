import { describe, expect, it, vi } from 'vitest';
import type { StreamEnd } from '../event-stream/options.ts';
import { eventStream } from './fetch.ts';

const ask = (init?: RequestInit): Request => new Request('http://a.test/', init);

describe('eventStream', () => {
  it('eventStream returns a Response at once, and its body has the yielded values', async () => {
    const response = eventStream(['a', { b: 1 }], { request: ask() });
    expect(response).toBeInstanceOf(Response);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await response.text()).toBe(': \n\ndata: a\n\ndata: {"b":1}\n\n');
  });

  it('eventStream throws without a request', () => {
    expect(() => eventStream(['a'], {} as { request: Request })).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining('{ request }') }),
    );
  });

  it('eventStream sends each cookie in a separate header, and a header option replaces the default', () => {
    const { headers } = eventStream(['a'], {
      request: ask(),
      headers: [
        ['Set-Cookie', 'a=1'],
        ['CACHE-CONTROL', 'no-cache'],
      ],
      cookies: { b: '2' },
    });
    expect(headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(headers.get('cache-control')).toBe('no-cache');
  });

  it('eventStream ends its source when the body is cancelled or the request is aborted', async () => {
    for (const way of ['cancel', 'abort'] as const) {
      const leaving = new AbortController();
      const log: string[] = [];
      const ended = Promise.withResolvers<StreamEnd>();
      const response = eventStream(
        async function* ({ signal }) {
          try {
            yield 1;
            await new Promise((_, reject) =>
              signal.addEventListener('abort', () => reject(new Error('over'))),
            );
          } finally {
            log.push('finally');
          }
        },
        { request: ask({ signal: leaving.signal }), onClose: ended.resolve },
      );
      const reader = response.body!.getReader();
      await reader.read();
      await reader.read();
      if (way === 'cancel') await reader.cancel();
      else leaving.abort();
      expect(await ended.promise).toEqual({ reason: 'client' });
      expect(log).toEqual(['finally']);
    }
  });

  it('a source that rejects before the first read sends its error frame, without an unhandled rejection', async () => {
    const onError = vi.fn();
    const failure = new Error('internal detail');
    const response = eventStream(() => Promise.reject(failure), {
      request: ask(),
      onError,
      failure: 'frame',
    });
    expect(await response.text()).toMatch(/^: \n\nevent: linefeed\.error\ndata: \{"code":"source_failed"/);
    expect(onError.mock.calls).toEqual([[failure]]);
  });

  it('eventStream starts no source for an aborted request', async () => {
    const source = vi.fn(() => ['a']);
    const onClose = vi.fn();
    const response = eventStream(source, { request: ask({ signal: AbortSignal.abort() }), onClose });
    expect(await response.text()).toBe('');
    expect(source).not.toHaveBeenCalled();
    expect(onClose.mock.calls).toEqual([[{ reason: 'client' }]]);
  });

  it('eventStream takes at most one item past 64 KiB for an unread body, and then cuts the body', async () => {
    let produced = 0;
    const ended = Promise.withResolvers<StreamEnd>();
    const response = eventStream(
      (function* () {
        for (;;) {
          produced += 1;
          yield 'x'.repeat(1_024 - 'data: \n\n'.length);
        }
      })(),
      { request: ask(), stallTimeoutMs: 50, onClose: ended.resolve },
    );
    expect(await ended.promise).toEqual({ reason: 'stalled' });
    // The opening comment takes 4 bytes, so 63 whole items fit, and one more is taken.
    expect(produced).toBe(64);
    await expect(response.text()).rejects.toThrow('cut');
  });
});
