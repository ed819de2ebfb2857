import fc from 'fast-check';
import { createParser } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';
import { createEventStreamParser, type EventStreamSink } from './event-stream-parser.ts';

type Reported = readonly [event: string, data: string, id: string] | readonly [retryMs: number];

interface Reading {
  readonly reported: Reported[];
  /** The return value of each chunk. */
  readonly taken: boolean[];
}

function read(chunks: readonly (string | Uint8Array)[], maxFrameLength = 2 ** 22): Reading {
  const reported: Reported[] = [];
  const sink: EventStreamSink = {
    onFrame: (...frame) => reported.push(frame),
    onRetry: (retryMs) => reported.push([retryMs]),
  };
  const parse = createEventStreamParser(sink, maxFrameLength);
  const encoder = new TextEncoder();
  const taken = chunks.map((chunk) => parse(typeof chunk === 'string' ? encoder.encode(chunk) : chunk));
  return { reported, taken };
}

/** Parses with eventsource-parser, which reports ids and frames separately. */
function readByOracle(bytes: Uint8Array): Reported[] {
  const reported: Reported[] = [];
  let last = '';
  const parser = createParser({
    onEvent: ({ event = 'message', data, id }) => reported.push([event, data, id ?? last]),
    onId: (id) => (last = id),
    onRetry: (retryMs) => reported.push([retryMs]),
  });
  // The decoder removes a byte order mark, as the standard requires. The oracle would remove a second one as well.
  const text = new TextDecoder().decode(bytes);
  parser.feed(text.startsWith('\uFEFF') ? `:\n${text}` : text);
  return reported;
}

function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...chunks, bytes.subarray(at)];
}

const FIELD = fc.constantFrom(
  'data',
  'event',
  'id',
  'retry',
  '',
  'Data',
  ' data',
  'data ',
  'x',
  '\uFEFFdata',
);
const VALUE = fc.oneof(
  fc.constantFrom('', ' ', '1', ' 1', '  1', '12a', '-1', '007', 'a:b', ' a: b', '\0', 'é😀', '\u2028', '٣'),
  fc.string({ maxLength: 8 }),
);
const LINE = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(FIELD, VALUE).map(([field, value]) => `${field}:${value}`) },
  { weight: 1, arbitrary: FIELD },
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: VALUE },
);
const STREAM = fc
  .tuple(
    fc.constantFrom('', '', '\uFEFF', '\uFEFF\uFEFF'),
    fc.array(fc.tuple(LINE, fc.constantFrom('\n', '\n', '\r', '\r\n')), { maxLength: 40 }),
    VALUE,
  )
  .map(([mark, lines, rest]) => mark + lines.map((line) => line.join('')).join('') + rest)
  .map((text) => new TextEncoder().encode(text));

describe('the event stream parser', () => {
  it('the parser reports the same as eventsource-parser, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(STREAM, fc.array(fc.nat({ max: 9 }), { maxLength: 60 }), (bytes, lengths) => {
        expect(read(cut(bytes, lengths)).reported).toEqual(readByOracle(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  it('the parser reports the same for single bytes as for the whole input, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const bytes = Uint8Array.from([...noise, ...new TextEncoder().encode('\n\ndata: é\r\ndata\r\r')]);
        const whole = read([bytes]).reported;
        expect(read([...bytes].map((byte) => Uint8Array.of(byte))).reported).toEqual(whole);
        expect(whole).toEqual(readByOracle(bytes));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    [
      'the parser keeps the last id for later frames without an id',
      'id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
      ['1', '1', ''],
    ],
    ['the parser takes the id of a block without data', 'id: 1\n\ndata: a\n\n', ['1']],
    ['the parser ignores an id that contains U+0000', 'id: 1\nid: 2\0\ndata: a\n\n', ['1']],
  ])('%s', (_, text, ids) => {
    expect(read([text]).reported.map((frame) => frame[2])).toEqual(ids);
  });

  it('the parser forgets the event type of a block without data', () => {
    expect(read(['event: a\n\ndata: 1\n\n']).reported).toEqual([['message', '1', '']]);
  });

  it('the parser reports a block at the byte that ends it, and not before', () => {
    expect(read(['data: 1']).reported).toEqual([]);
    expect(read(['data: 1\n']).reported).toEqual([]);
    expect(read(['data: 1\r\r']).reported).toEqual([['message', '1', '']]);
  });

  it('the parser accepts a retry value only if it consists of digits', () => {
    expect(read(['retry: 10\nretry: 1e3\nretry: -1\nretry\nretry:  5\nretry:07\n']).reported).toEqual([
      [10],
      [7],
    ]);
  });
});

describe('the limit of the frame length', () => {
  it.each([
    ['in one line', ['data: 1234567890']],
    ['in one line of many chunks', 'data: 1234567890'.split('')],
    ['in many lines', ['data: 12345\n', 'data: 67890\n']],
    ['in a line that is not a field', ['x'.repeat(11)]],
    ['in one chunk with the end of its block', ['data: 12345678901\n\n']],
  ])('a frame may be as long as the limit and not longer, %s', (_, chunks) => {
    const exact = chunks.join('').length;
    const { reported, taken } = read(chunks, 10);
    expect(taken.at(-1)).toBe(false);
    expect(reported).toEqual([]);
    expect(read(chunks, exact).taken).not.toContain(false);
  });

  it('the parser accepts many frames in one chunk when each is within the limit', () => {
    expect(read(['data: 1234\n\n'.repeat(100)], 10)).toMatchObject({ taken: [true] });
    expect(read(['data: 1234\n\n'.repeat(100)], 10).reported).toHaveLength(100);
  });

  it.each([
    ['in one line of many small chunks', (times: number) => Array<string>(times).fill('x'.repeat(16))],
    ['in many lines without a colon', (times: number) => ['data\n'.repeat(times)]],
  ] as const)('the parser needs the same CPU time for each byte, %s', (_, toTexts) => {
    const msFor = (times: number) => {
      const chunks = [...toTexts(times), '\n\n'].map((text) => new TextEncoder().encode(text));
      const parse = createEventStreamParser({ onFrame() {}, onRetry() {} }, 2 ** 30);
      // CPU time of this process, so that other processes of a busy machine do not count.
      const start = process.cpuUsage();
      for (const chunk of chunks) parse(chunk);
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1_000;
    };
    msFor(10_000);
    // 16 times the bytes need 16 times the work. Scanning earlier bytes again would need 256 times.
    const small = Math.min(...Array.from({ length: 5 }, () => msFor(10_000)));
    const large = Math.min(...Array.from({ length: 5 }, () => msFor(160_000)));
    expect(large / small).toBeLessThan(100);
  });
});
