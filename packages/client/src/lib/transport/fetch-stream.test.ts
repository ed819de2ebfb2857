import type { LinefeedError } from '@linefeed/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TransportSink } from './transport.ts';
import { fetchTransport } from './fetch.ts';

type Reported = readonly [event: string, data: string, id: string] | readonly [retryMs: number];

interface Reading {
  readonly reported: Reported[];
  /** Number of chunks that counted as a sign of life. */
  readonly chunks: number;
  /** The error that ended the connection; `undefined` while the response is open. */
  readonly error: LinefeedError | undefined;
}

const encoder = new TextEncoder();
const toBytes = (chunk: string | Uint8Array) => (typeof chunk === 'string' ? encoder.encode(chunk) : chunk);

interface ReadOptions {
  readonly maxFrameLength?: number;
  /** The response has no end: the reading is over when all chunks are read. */
  readonly open?: boolean;
}

/** Reads a response of these chunks through the transport, in turn, without the buffers of a real stream. */
function read(
  parts: readonly (string | Uint8Array)[],
  { maxFrameLength, open = false }: ReadOptions = {},
): Promise<Reading> {
  const values = parts.map(toBytes).values();
  const reported: Reported[] = [];
  return new Promise((resolve) => {
    let chunks = 0;
    const finish = (error?: LinefeedError) => resolve({ reported, chunks, error });
    const body = {
      getReader: () => ({
        async read() {
          const next = values.next();
          if (!next.done || !open) return next;
          finish();
          return new Promise<never>(() => {});
        },
      }),
    };
    const headers = new Headers({ 'content-type': 'text/event-stream' });
    const fetch = async () => ({ status: 200, headers, body }) as unknown as Response;
    const sink: TransportSink = {
      onLife: () => void (chunks += 1),
      onFrame: (...frame) => void reported.push(frame),
      onRetry: (retryMs) => void reported.push([retryMs]),
      onEnd: ({ error }) => finish(error),
      full: () => undefined,
    };
    const opening = { url: 'http://feed.test/', entries: [], cursor: undefined, fetch };
    fetchTransport({ maxFrameLength })(opening, sink);
  });
}

/** Reads a whole stream as WHATWG HTML §9.2.6 describes it, clause by clause. */
function readByTheStandard(bytes: Uint8Array): Reported[] {
  const reported: Reported[] = [];
  let type = '';
  let data = '';
  let id = '';
  // The decoder removes one byte order mark. The last piece is not a line: nothing ends it.
  for (const line of new TextDecoder()
    .decode(bytes)
    .split(/\r\n|\r|\n/)
    .slice(0, -1)) {
    const [, field, value] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line)!;
    if (line === '') {
      if (data !== '') reported.push([type || 'message', data.slice(0, -1), id]);
      data = type = '';
    } else if (field === 'event') type = value!;
    else if (field === 'data') data += `${value}\n`;
    else if (field === 'id' && !value!.includes('\0')) id = value!;
    else if (field === 'retry' && /^[0-9]+$/.test(value!)) reported.push([Number(value)]);
  }
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
    fc.constantFrom('', '', '\uFEFF', '\uFEFF\uFEFF', 'ï»¿', 'ï', '\uFEFFï»¿'),
    fc.array(fc.tuple(LINE, fc.constantFrom('\n', '\n', '\r', '\r\n')), { maxLength: 40 }),
    VALUE,
  )
  .map(([mark, lines, rest]) => mark + lines.map((line) => line.join('')).join('') + rest)
  .map(toBytes);

describe('fetchTransport: the parsing of a stream', () => {
  it('fetchTransport reports what the HTML standard requires, wherever the bytes are cut', async () => {
    const property = fc.asyncProperty(
      STREAM,
      fc.array(fc.nat({ max: 9 }), { maxLength: 60 }),
      async (bytes, lengths) => {
        expect((await read(cut(bytes, lengths))).reported).toEqual(readByTheStandard(bytes));
      },
    );
    await fc.assert(property, { numRuns: 3_000 });
  });

  it('fetchTransport reports the same for single bytes as for the whole body, whatever the bytes are', async () => {
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (noise) => {
      const bytes = Uint8Array.from([...noise, ...toBytes('\n\ndata: é\r\ndata\r\r')]);
      const whole = (await read([bytes])).reported;
      expect((await read([...bytes].map((byte) => Uint8Array.of(byte)))).reported).toEqual(whole);
      expect(whole).toEqual(readByTheStandard(bytes));
    });
    await fc.assert(property, { numRuns: 1_000 });
  });

  it.each([
    [
      'fetchTransport keeps the last id for later frames without an id',
      'id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
      ['1', '1', ''],
    ],
    ['fetchTransport takes the id of a block without data', 'id: 1\n\ndata: a\n\n', ['1']],
    ['fetchTransport ignores an id that contains U+0000', 'id: 1\nid: 2\0\ndata: a\n\n', ['1']],
  ])('%s', async (_, text, ids) => {
    expect((await read([text])).reported.map((frame) => frame[2])).toEqual(ids);
  });

  it('fetchTransport forgets the event type of a block without data', async () => {
    expect((await read(['event: a\n\ndata: 1\n\n'])).reported).toEqual([['message', '1', '']]);
  });

  it.each([
    ['one byte order mark', '\uFEFFdata: 1\n\n', [['message', '1', '']]],
    ['no second byte order mark', '\uFEFF\uFEFFdata: 1\n\n', []],
    ['no text of the characters that the bytes of a mark would be', 'ï»¿data: 1\n\n', []],
  ])('fetchTransport removes %s, in one chunk or in single bytes', async (_, text, frames) => {
    expect((await read([text])).reported).toEqual(frames);
    expect((await read([...toBytes(text)].map((byte) => Uint8Array.of(byte)))).reported).toEqual(frames);
  });

  it('fetchTransport reports a block at the byte that ends it, and not before', async () => {
    const open = true;
    expect((await read(['data: 1'], { open })).reported).toEqual([]);
    expect((await read(['data: 1\n'], { open })).reported).toEqual([]);
    expect((await read(['data: 1\r\r'], { open })).reported).toEqual([['message', '1', '']]);
  });

  it('fetchTransport drops a block that the end of the response cuts off', async () => {
    const { reported, error } = await read(['data: 1\n\ndata: 2\n']);
    expect(reported).toEqual([['message', '1', '']]);
    expect(error).toMatchObject({ code: 'network', retryable: true });
  });

  it('fetchTransport accepts a retry value only if it consists of digits', async () => {
    const { reported } = await read(['retry: 10\nretry: 1e3\nretry: -1\nretry\nretry:  5\nretry:07\n']);
    expect(reported).toEqual([[10], [7]]);
  });

  it('fetchTransport counts every chunk as a sign of life, also a comment and half of a character', async () => {
    const { reported, chunks } = await read([':', ' ping\n', '\n', Uint8Array.of(0xc3), 'x\n']);
    expect({ reported, chunks }).toEqual({ reported: [], chunks: 5 });
  });
});

describe('fetchTransport: the limit of the frame length', () => {
  it.each([
    ['in one line', ['data: 1234567890']],
    ['in one line of many chunks', 'data: 1234567890'.split('')],
    ['in many lines', ['data: 12345\n', 'data: 67890\n']],
    ['in one chunk with the end of its block', ['data: 12345678901\n\n']],
    ['in many lines of one chunk with the end of its block', ['data: 12345\ndata: 67890\n\n']],
    ['in one chunk with the end of its block and a CR', ['data: 12345678901\r\n\r\n']],
    ['in the type of the event', ['event: 1234567890']],
  ])('a frame may be as long as the limit and not longer, %s', async (_, chunks) => {
    const exact = chunks.join('').length;
    const open = true;
    const { reported, error } = await read(chunks, { maxFrameLength: 10, open });
    expect(error).toMatchObject({
      code: 'protocol',
      message: 'A frame is longer than 10 characters.',
      retryable: false,
    });
    expect(reported).toEqual([]);
    expect((await read(chunks, { maxFrameLength: exact, open })).error).toBeUndefined();
  });

  it('fetchTransport reports the frames before a frame that is too long, and none after it', async () => {
    const text = 'data: 1\n\ndata: 12345678901\n\ndata: 2\n\n';
    const { reported, error } = await read([text, text], { maxFrameLength: 10 });
    expect(reported).toEqual([['message', '1', '']]);
    expect(error).toMatchObject({ code: 'protocol' });
  });

  it('fetchTransport accepts many frames in one chunk when each is within the limit', async () => {
    const { reported } = await read(['data: 1234\n\n'.repeat(100)], { maxFrameLength: 10 });
    expect(reported).toHaveLength(100);
  });

  it.each([
    ['a comment', ':'],
    ['an unknown field', 'x'],
  ])('fetchTransport skips the rest of %s longer than the limit', async (_, start) => {
    const parts = [start, ...Array<string>(100).fill('x'), '\ndata: 1\n\n'];
    expect((await read(parts, { maxFrameLength: 10 })).reported).toEqual([['message', '1', '']]);
  });

  it('fetchTransport needs little more CPU time for an unknown field than for data', async () => {
    const usFor = async (line: string) => {
      let least = Infinity;
      for (let run = 0; run < 5; run += 1) {
        const start = process.cpuUsage();
        await read([line.repeat(20_000)]);
        const { user, system } = process.cpuUsage(start);
        least = Math.min(least, user + system);
      }
      return least;
    };
    // An error with a stack for each line needs 40 times as much.
    expect((await usFor('nothing\n')) / (await usFor('data\n'))).toBeLessThan(15);
  });

  it.each([
    [
      'in one line of many small chunks',
      (times: number) => ['data:', ...Array<string>(times).fill('x'.repeat(16))],
    ],
    ['in many lines without a colon', (times: number) => ['data\n'.repeat(times)]],
    [
      'in an unknown field of many small chunks',
      (times: number) => Array<string>(times).fill('x'.repeat(16)),
    ],
  ] as const)('fetchTransport needs the same CPU time for each byte, %s', async (_, toTexts) => {
    const msFor = async (times: number) => {
      const chunks = [...toTexts(times), '\n\n'].map(toBytes);
      // CPU time of this process, so that other processes of a busy machine do not count.
      const start = process.cpuUsage();
      await read(chunks, { maxFrameLength: 2 ** 30 });
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1_000;
    };
    const least = async (times: number) => {
      let ms = Infinity;
      for (let run = 0; run < 5; run += 1) ms = Math.min(ms, await msFor(times));
      return ms;
    };
    await msFor(10_000);
    // 16 times the bytes need 16 times the work. Scanning earlier bytes again would need 256 times.
    const small = await least(10_000);
    const large = await least(160_000);
    expect(large / small).toBeLessThan(100);
  });
});
