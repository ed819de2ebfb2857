import { describe, expect, it } from 'vitest';
import { assertAcceptable, eventStreamQuality } from './accept.ts';

describe('the Accept header', () => {
  it.each([
    [undefined, 1],
    ['', 1],
    ['*/*', 1],
    ['text/*', 1],
    ['text/event-stream', 1],
    ['TEXT/Event-Stream', 1],
    ['text/event-stream, */*', 1],
    ['text/event-stream;q=0.5', 0.5],
    ['text/event-stream; q = 0.5', 0.5],
    ['text/html, */*;q=0.8', 0.8],
    ['text/*;q=0.3, */*;q=0.8', 0.3],
    ['*/*, text/event-stream;q=0', 0],
    ['text/*;q=0, text/event-stream', 1],
    ['*/*;q=0', 0],
    ['application/json', 1],
    ['application/json;q=0', 1],
    ['text/html', 1],
    ['text/event-stream;q=0', 0],
    ['text/event-stream;q=0.000', 0],
    ['text/event-stream;q=0, */*', 0],
    ['text/*;q=0', 0],
    ['text/*;q=0, */*', 0],
    ['*/*;q=0, text/*', 1],
    ['application/json, */*;q=0', 0],
    ['text/event-stream;charset=utf-8', 1],
    ['text/event-stream;charset="UTF-8";q=0.2, text/event-stream;q=0.9', 0.2],
    ['text/event-stream;charset=latin1', 1],
    ['text/event-stream;charset=latin1;q=0', 1],
    ['text/event-stream;q=nonsense', 1],
    ['text/event-stream;q=7', 1],
    ['application/x;note="a, text/event-stream;q=0"', 1],
    ['application/x;note="a\\", text/event-stream;q=0"', 1],
    ['text/event-streamer;q=0', 1],
    [',,text/event-stream', 1],
  ])('Accept: %j gives an event stream the quality %f', (accept, quality) => {
    expect(eventStreamQuality(accept)).toBe(quality);
  });

  it('a request gets 406 only if its Accept header gives an event stream the quality 0', () => {
    expect(() => assertAcceptable('text/event-stream;q=0')).toThrow(
      expect.objectContaining({ code: 'not_acceptable', status: 406 }),
    );
    expect(assertAcceptable('text/event-stream;q=0.001')).toBeUndefined();
    expect(assertAcceptable('application/json')).toBeUndefined();
  });
});
