import { createParser } from 'eventsource-parser';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LinefeedError } from '../base/error.ts';
import { encodeCleanFrame, encodeFrame, type FrameFields } from './frame.ts';

interface Message {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

/** Parses a stream, received in chunks, with an independent parser. */
function parse(pieces: readonly string[]): { messages: Message[]; comments: string[]; retries: number[] } {
  const messages: Message[] = [];
  const comments: string[] = [];
  const retries: number[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => messages.push({ id, event, data }),
    onComment: (comment) => comments.push(comment),
    onRetry: (ms) => retries.push(ms),
    onError(error) {
      throw error;
    },
  });
  for (const piece of pieces) parser.feed(piece);
  return { messages, comments, retries };
}

const withLineFeeds = (text: string) => text.replaceAll(/\r\n|\r/g, '\n');

describe('encodeFrame', () => {
  test('a frame has its fields in a fixed order and ends with a blank line', () => {
    expect(encodeFrame({ data: 'd', event: 'e', id: 'i', retryMs: 5, comment: 'c' })).toBe(
      ': c\nretry: 5\nid: i\nevent: e\ndata: d\n\n',
    );
  });

  test('a frame omits undefined fields', () => {
    expect(encodeFrame({})).toBe('\n');
    expect(encodeFrame({ id: undefined, event: undefined, data: 'd' })).toBe('data: d\n\n');
  });

  test('a frame without data is not dispatched', () => {
    expect(parse([encodeFrame({ event: 'e', id: 'i' }), encodeFrame({ data: 'next' })]).messages).toEqual([
      { id: undefined, event: undefined, data: 'next' },
    ]);
  });

  test('a frame with empty data is dispatched', () => {
    expect(encodeFrame({ data: '' })).toBe('data: \n\n');
    expect(parse([encodeFrame({ data: '' })]).messages).toEqual([
      { id: undefined, event: undefined, data: '' },
    ]);
  });

  test('a frame with an empty id writes it, because it resets the last event id', () => {
    expect(encodeFrame({ id: '', data: 'd' })).toBe('id: \ndata: d\n\n');
    expect(parse([encodeFrame({ id: '', data: 'd' })]).messages).toEqual([
      { id: '', event: undefined, data: 'd' },
    ]);
  });

  test('a frame with an empty event is a plain message', () => {
    expect(encodeFrame({ event: '', data: 'd' })).toBe('data: d\n\n');
  });

  test('a frame keeps the leading spaces of every field', () => {
    expect(parse([encodeFrame({ id: ' i', event: ' e', data: ' d\n  e' })]).messages).toEqual([
      { id: ' i', event: ' e', data: ' d\n  e' },
    ]);
  });

  test('a frame keeps the colons of every field', () => {
    expect(parse([encodeFrame({ id: ':i:', event: ':e', data: ':d\ndata: x' })]).messages).toEqual([
      { id: ':i:', event: ':e', data: ':d\ndata: x' },
    ]);
  });

  test.for([
    ['a\nb', 'data: a\ndata: b\n\n'],
    ['a\rb', 'data: a\ndata: b\n\n'],
    ['a\r\nb', 'data: a\ndata: b\n\n'],
    ['a\n\nb', 'data: a\ndata: \ndata: b\n\n'],
    ['\n', 'data: \ndata: \n\n'],
    ['a\n', 'data: a\ndata: \n\n'],
    ['\r\r\n\n', 'data: \ndata: \ndata: \ndata: \n\n'],
  ] as const)('a frame splits the data %j into lines', ([data, frame]) => {
    expect(encodeFrame({ data })).toBe(frame);
  });

  test('a frame keeps characters that are line breaks only outside of event streams', () => {
    const data = 'a\u2028b\u2029c\u0085d\u000be\u000cf';
    expect(parse([encodeFrame({ data })]).messages).toEqual([{ id: undefined, event: undefined, data }]);
  });

  test.for([0, 1, 86_400_000, Number.MAX_SAFE_INTEGER])(
    'a frame announces a reconnection time of %i ms',
    (retryMs) => {
      expect(parse([encodeFrame({ retryMs })]).retries).toEqual([retryMs]);
    },
  );

  test.for([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number])(
    'a frame refuses a reconnection time of %s ms',
    (retryMs) => {
      expect(() => encodeFrame({ retryMs })).toThrow(
        `retryMs must be a whole number of milliseconds from 0, not ${retryMs}.`,
      );
    },
  );
});

describe('injection into a frame', () => {
  const poisons = {
    LF: '1\ndata: forged',
    CR: '1\rdata: forged',
    CRLF: '1\r\ndata: forged',
    'a blank line': '1\n\ndata: forged\n\n',
    NUL: '1\0',
    'a lone high surrogate': '1\ud800',
    'a lone low surrogate': '\udc001',
    'surrogates in the wrong order': '\udc00\ud800',
  };

  describe.for(Object.entries(poisons))('injection by %s', ([, poison]) => {
    test.for(['id', 'event'] as const)(
      'an unsafe %s of a frame is refused, and the message quotes the value',
      (field) => {
        const encode = () => encodeFrame({ [field]: poison, data: 'd' });
        expect(encode).toThrow(LinefeedError);
        expect(encode).toThrow(expect.objectContaining({ code: 'invalid_frame' }));
        expect(encode).toThrow(`The ${field} ${JSON.stringify(poison)} has a line break`);
      },
    );

    test('unsafe text in the data of a frame stays data', () => {
      const { messages } = parse([encodeFrame({ data: poison })]);
      expect(messages).toEqual([{ id: undefined, event: undefined, data: withLineFeeds(poison) }]);
    });

    test('unsafe text in the comment of a frame stays a comment', () => {
      const { messages, comments } = parse([encodeFrame({ comment: poison, data: 'd' })]);
      expect(messages).toEqual([{ id: undefined, event: undefined, data: 'd' }]);
      expect(comments).toEqual(withLineFeeds(poison).split('\n'));
    });
  });

  test('an id that is not a string is refused', () => {
    const id = { toString: () => 'x\ndata: forged' } as unknown as string;
    expect(() => encodeFrame({ id, data: 'd' })).toThrow('The id of a message must be a string, not object.');
  });

  test('characters past U+FFFF are accepted in every field', () => {
    expect(parse([encodeFrame({ id: '😀', event: '𝒆', data: '😀' })]).messages).toEqual([
      { id: '😀', event: '𝒆', data: '😀' },
    ]);
  });
});

describe('parsing encoded frames', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({
      unit: fc.constantFrom('\r', '\n', ' ', ':', 'data', 'id', 'event', 'retry', '\ufeff', 'x', '\0'),
    }),
  );
  const clean = text.map((value) => value.replaceAll(/[\0\r\n]/g, ''));
  const frame: fc.Arbitrary<FrameFields> = fc.record(
    { comment: text, retryMs: fc.nat(), id: clean, event: clean, data: text },
    { requiredKeys: [] },
  );
  const frames = fc.array(frame, { maxLength: 6 });
  const cuts = fc.array(fc.nat(), { maxLength: 12 });

  function cutAt(stream: string, places: readonly number[]): string[] {
    const sorted = places.map((place) => place % (stream.length + 1)).toSorted((a, b) => a - b);
    return [...sorted, stream.length].map((end, index) => stream.slice(sorted[index - 1] ?? 0, end));
  }

  test('a parser reads back every sequence of frames, however it is cut', () => {
    fc.assert(
      fc.property(frames, cuts, (list, places) => {
        const { messages, comments, retries } = parse(cutAt(list.map(encodeFrame).join(''), places));
        expect(messages).toEqual(
          list
            .filter(({ data }) => data !== undefined)
            .map(({ id, event, data }) => ({
              id,
              event: event === '' ? undefined : event,
              data: withLineFeeds(data!),
            })),
        );
        expect(comments).toEqual(
          list.flatMap(({ comment }) => (comment === undefined ? [] : withLineFeeds(comment).split('\n'))),
        );
        expect(retries).toEqual(list.flatMap(({ retryMs }) => (retryMs === undefined ? [] : [retryMs])));
      }),
      { numRuns: 10_000 },
    );
  });

  test('a parser reads back a stream that is cut at any byte', () => {
    const stream = encodeFrame({ id: '1', event: 'e', data: 'ä\r\nb' }) + encodeFrame({ data: '😀' });
    const whole = parse([stream]).messages;
    const bytes = new TextEncoder().encode(stream);
    for (let at = 0; at <= bytes.length; at += 1) {
      const decoder = new TextDecoder();
      const pieces = [
        decoder.decode(bytes.subarray(0, at), { stream: true }),
        decoder.decode(bytes.subarray(at)),
      ];
      expect(parse(pieces).messages).toEqual(whole);
    }
  });

  test('encodeCleanFrame writes the same bytes as encodeFrame', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9?=&%]*$/);
    fc.assert(
      fc.property(name, fc.json(), fc.option(name, { nil: undefined }), (event, data, id) => {
        expect(encodeCleanFrame(event, data, id)).toBe(encodeFrame({ event, data, id }));
      }),
    );
  });
});
