import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSpecParser, type Dispatched } from '../../../test-kit/spec-parser.ts';
import { createYieldEncoder, type EncodingOptions } from './encode.ts';
import { message } from '../stream/message.ts';

const CASES = process.env['LINEFEED_RUNS'] === 'full' ? 200_000 : 20_000;

const frame = (value: unknown, options: EncodingOptions = {}): string => createYieldEncoder(options)(value);
const read = (text: string): Dispatched[] => {
  const parser = createSpecParser();
  parser.feed(new TextEncoder().encode(text));
  return parser.events;
};

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
}

describe('yielded values', () => {
  it.each([
    ['a string', 'plain', 'plain'],
    ['an empty string', '', ''],
    ['a string of many lines', 'a\r\nb\rc\n\nd', 'a\nb\nc\n\nd'],
    ['null', null, 'null'],
    ['zero', 0, '0'],
    ['false', false, 'false'],
    ['a number', 1.5, '1.5'],
    ['an object with the keys of a message', { data: 1, event: 'x', id: 2 }, '{"data":1,"event":"x","id":2}'],
    ['an array', [1, 'a', null], '[1,"a",null]'],
    ['an object with an undefined key', { a: undefined, b: 1 }, '{"b":1}'],
    ['bytes', new TextEncoder().encode('grün\n2'), 'grün\n2'],
    ['an ArrayBuffer', new TextEncoder().encode('buffer').buffer, 'buffer'],
    ['a Buffer', Buffer.from('node'), 'node'],
    ['bytes with a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, 0x61]), '\ufeffa'],
    ['bytes that are not UTF-8', new Uint8Array([0x61, 0xff, 0x62]), 'a\ufffdb'],
    ['a message', message({ a: 1 }), '{"a":1}'],
    ['a message of null', message(null), 'null'],
    ['a message of bytes', message(new Uint8Array([0x61])), 'a'],
  ])('a yield of %s becomes the data of one event', (_, value, data) => {
    expect(read(frame(value))).toEqual([{ event: 'message', data, lastEventId: '' }]);
  });

  it('a message without data becomes a block that dispatches no event', () => {
    const text = frame(message(undefined, { comment: 'still here', retryMs: 0, id: 7 }));
    expect(text).toBe(': still here\nretry: 0\nid: 7\n\n');
    expect(read(text)).toEqual([]);
  });

  it('a message keeps an id of 0, a retryMs of 0 and an empty id', () => {
    expect(frame(message('x', { id: 0, retryMs: 0 }))).toBe('retry: 0\nid: 0\ndata: x\n\n');
    expect(frame(message('x', { id: '' }), { id: 'default' })).toBe('id: \ndata: x\n\n');
  });

  it('a yield without an event or id of its own takes those of the stream', () => {
    const encode = createYieldEncoder({ event: 'tick', id: 0 });
    expect(
      [1, message(2, { event: 'tock' }), message(3, { id: 9 }), message(4, { event: '' }), 'five'].map(
        encode,
      ),
    ).toEqual([
      'id: 0\nevent: tick\ndata: 1\n\n',
      'id: 0\nevent: tock\ndata: 2\n\n',
      'id: 9\nevent: tick\ndata: 3\n\n',
      'id: 0\ndata: 4\n\n',
      'id: 0\nevent: tick\ndata: five\n\n',
    ]);
  });

  it.each([
    ['undefined', undefined, /yielded undefined/],
    ['a Date', new Date(0), /cannot represent: a Date/],
    [
      'an object with a nested bigint',
      { a: [{ b: 1n }] },
      /at "a\.0\.b", something that JSON cannot represent: a bigint/,
    ],
    ['an object with a nested Map', { a: new Map() }, /at "a", something that JSON cannot represent: a Map/],
    ['an array with a nested Set', [new Set()], /at "0", something that JSON cannot represent: a Set/],
    ['an array with undefined', [undefined], /at "0", something that JSON cannot represent: undefined/],
    ['NaN', Number.NaN, /cannot represent: NaN/],
    ['an instance with toJSON', new URL('http://a/'), /cannot represent: a URL/],
    ['a String object', new String('a\nb'), /cannot represent: a String/],
    ['a function', () => 1, /cannot represent: a function/],
  ])('a yield of %s is refused with a description of the value', (_, value, expected) => {
    expect(() => frame(value)).toThrow(
      expect.objectContaining({ code: 'invalid_content', message: expect.stringMatching(expected) }),
    );
  });
});

describe('the encode option', () => {
  const encode = (value: unknown): unknown => {
    if (value instanceof Date) return value.toISOString();
    if (typeof value === 'bigint') return value.toString();
    if (value instanceof Map) return [...value];
    if (value instanceof Money) return { cents: BigInt(value.cents) };
    return undefined;
  };

  it('encode converts values that JSON cannot represent at every depth, also within its own results', () => {
    const payload = { at: new Date(0), deep: [new Map([['k', 1n]])], price: new Money(5), none: undefined };
    const [event] = read(frame(payload, { encode }));
    expect(JSON.parse(event!.data)).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      deep: [[['k', '1']]],
      price: { cents: '5' },
    });
    expect(payload.at).toBeInstanceOf(Date);
  });

  it('a string that encode returns is sent as JSON with its quotes', () => {
    expect(read(frame(new Date(0), { encode }))[0]!.data).toBe('"1970-01-01T00:00:00.000Z"');
  });

  it('encode is not called for values that JSON can represent', () => {
    const asked: unknown[] = [];
    const note = (value: unknown): unknown => (asked.push(value), undefined);
    frame({ a: [1, 'b', null, true, { c: undefined }] }, { encode: note });
    expect(asked).toEqual([]);
  });

  it.each([
    ['returns undefined', () => undefined],
    ['returns the same value', (value: unknown) => value],
    ['always returns another such value', () => new Date(0)],
  ])('a value that JSON cannot represent is refused when encode %s', (_, endless) => {
    expect(() => frame({ when: new Date(0) }, { encode: endless })).toThrow(/at "when", something .* a Date/);
  });

  it('encode keeps a __proto__ key as an own property', () => {
    const payload = JSON.parse('{"__proto__":{"admin":true}}') as unknown;
    expect(frame(payload, { encode })).toBe('data: {"__proto__":{"admin":true}}\n\n');
  });
});

describe('the encoding option', () => {
  it('bytes are transcoded from their encoding to UTF-8', () => {
    expect(read(frame(new Uint8Array([0x67, 0xfc]), { encoding: 'latin1' }))[0]!.data).toBe('gü');
    expect(read(frame(new Uint8Array([0x61, 0, 0x0a, 0, 0x62, 0]), { encoding: 'utf-16le' }))[0]!.data).toBe(
      'a\nb',
    );
  });

  it('an unknown encoding label is refused', () => {
    expect(() => createYieldEncoder({ encoding: 'utf-9' })).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining('"utf-9"') }),
    );
  });
});

describe('frame injection', () => {
  const forbidden = ['\n', '\r', '\r\n', '\0', '\ud800', '\udc00x'];

  it.each(forbidden.flatMap((text) => ['id', 'event'].map((field) => [field, text] as const)))(
    'the field %s with %j in it is refused, on a message and as a default',
    (field, text) => {
      const refused = expect.objectContaining({ code: 'invalid_frame' });
      expect(() => frame(message('x', { [field]: `a${text}b` }))).toThrow(refused);
      expect(() => createYieldEncoder({ [field]: `a${text}b` })).toThrow(refused);
    },
  );

  it.each([
    ['id', { toString: () => 'a\ndata: forged' }],
    ['id', Number.NaN],
    ['id', Number.POSITIVE_INFINITY],
    ['event', new String('a\ndata: forged')],
    ['event', ['a\ndata: forged']],
    ['comment', { includes: () => false, toString: () => 'a\ndata: forged' }],
    ['comment', ['a\ndata: forged']],
    ['retryMs', '5\ndata: forged'],
    ['retryMs', { valueOf: () => 5, toString: () => '5\ndata: forged' }],
    ['retryMs', Number.NaN],
    ['retryMs', -1],
    ['retryMs', 1.5],
  ])('the field %s of the wrong type or range is refused: %j', (field, value) => {
    expect(() => frame(message('x', { [field]: value }))).toThrow(
      expect.objectContaining({ code: 'invalid_frame' }),
    );
  });

  it('a plain object with the fields of a message is sent as data, not as a message', () => {
    const forged = JSON.parse('{"data":"x","event":"y","id":"z","retryMs":1,"comment":"c"}') as unknown;
    expect(read(frame(forged))).toEqual([
      { event: 'message', data: JSON.stringify(forged), lastEventId: '' },
    ]);
  });

  it('bytes with line breaks are split into data lines', () => {
    expect(read(frame(new TextEncoder().encode('a\r\n\r\nevent: forged\r\ndata: b')))).toEqual([
      { event: 'message', data: 'a\n\nevent: forged\ndata: b', lastEventId: '' },
    ]);
  });
});

// Every character sequence with a meaning for a parser, and ordinary text around it.
const piece = fc.constantFrom(
  '\n',
  '\r',
  '\r\n',
  '\0',
  '\u2028',
  '\u2029',
  '\u0085',
  '\ufeff',
  '\ud83d',
  '\ude00',
  '😀',
  'é',
  ':',
  ' ',
  'data:',
  'id: 1',
  'event: x',
  'retry: 1',
  'a',
  '"',
);
const anyText = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
const isClean = (text: string | undefined): boolean =>
  text === undefined || (text.isWellFormed() && !/[\0\r\n]/.test(text));
const toLines = (text: string): string => text.toWellFormed().replaceAll(/\r\n|\r/g, '\n');

const data = fc.oneof(
  { weight: 6, arbitrary: anyText },
  { weight: 2, arbitrary: anyText.map((text) => new TextEncoder().encode(text)) },
  { weight: 1, arbitrary: fc.dictionary(anyText, anyText, { maxKeys: 2 }) },
  { weight: 1, arbitrary: fc.constantFrom(null, 0, '', undefined) },
);
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const sent = fc.record({
  data,
  id: optional(fc.oneof(anyText, fc.nat())),
  event: optional(anyText),
  comment: optional(anyText),
  retryMs: optional(fc.nat()),
});
type Sent = typeof sent extends fc.Arbitrary<infer T> ? T : never;

/** The events that must arrive for a sequence. `undefined` if a message of it must be refused. */
function expected(messages: readonly Sent[]): {
  events: Dispatched[];
  retries: number[];
  lastEventId: string;
} {
  const events: Dispatched[] = [];
  const retries: number[] = [];
  let lastEventId = '';
  for (const one of messages) {
    if (one.retryMs !== undefined) retries.push(one.retryMs);
    if (one.id !== undefined) lastEventId = String(one.id);
    if (one.data === undefined) continue;
    const text =
      typeof one.data === 'string'
        ? one.data
        : one.data instanceof Uint8Array
          ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(one.data)
          : JSON.stringify(one.data);
    const event = one.event === undefined || one.event === '' ? 'message' : one.event;
    events.push({ event, data: toLines(text), lastEventId });
  }
  return { events, retries, lastEventId };
}

const toFrames = createYieldEncoder({});

function written(messages: readonly Sent[]): { kept: Sent[]; bytes: Uint8Array } {
  const kept: Sent[] = [];
  let text = ': \n\n';
  for (const one of messages) {
    const { data: payload, ...fields } = one;
    const clean = isClean(one.event) && isClean(one.id === undefined ? undefined : String(one.id));
    try {
      text += toFrames(message(payload, fields));
      if (!clean) throw new Error(`not refused: ${JSON.stringify(one)}`);
      kept.push(one);
    } catch (error) {
      if (clean || (error as { code?: string }).code !== 'invalid_frame') throw error;
    }
  }
  return { kept, bytes: new TextEncoder().encode(text) };
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let start = 0;
  for (let turn = 0; start < bytes.length; turn += 1) {
    const end = start + (sizes[turn % sizes.length] ?? bytes.length);
    yield bytes.subarray(start, end);
    start = end;
  }
}

function expectReadBack(messages: readonly Sent[], sizes: readonly number[]): void {
  const { kept, bytes } = written(messages);
  const wanted = expected(kept);
  const spec = createSpecParser();
  const events: Dispatched[] = [];
  const decoder = new TextDecoder();
  let lastEventId = '';
  const parser = createParser({
    onEvent: ({ event = 'message', id, data }) => {
      lastEventId = id ?? lastEventId;
      events.push({ event, data, lastEventId: id ?? '' });
    },
  });
  for (const chunk of cut(bytes, sizes)) {
    spec.feed(chunk);
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  const same =
    JSON.stringify([spec.events, spec.retries, spec.lastEventId]) ===
      JSON.stringify([wanted.events, wanted.retries, wanted.lastEventId]) &&
    JSON.stringify(events.map((event) => [event.event, event.data])) ===
      JSON.stringify(wanted.events.map((event) => [event.event, event.data]));
  // The detailed comparison runs only after a failure, so that many cases stay affordable.
  if (!same) {
    expect({ events: spec.events, retries: spec.retries, lastEventId: spec.lastEventId }).toEqual(wanted);
    expect(events.map((event) => [event.event, event.data])).toEqual(
      wanted.events.map((event) => [event.event, event.data]),
    );
    throw new Error('unreachable');
  }
}

describe('frames read back by two parsers', () => {
  it(
    `two parsers read back the sent events from chunks of any size (${CASES} cases)`,
    () => {
      const chunks = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
      fc.assert(fc.property(fc.array(sent, { minLength: 1, maxLength: 3 }), chunks, expectReadBack), {
        numRuns: CASES,
      });
    },
    Math.max(120_000, CASES),
  );

  it('two parsers read back the sent events from every split in two chunks, and byte by byte', () => {
    fc.assert(
      fc.property(fc.array(sent, { minLength: 1, maxLength: 2 }), (messages) => {
        const { bytes } = written(messages);
        for (let at = 1; at <= bytes.length; at += 1) expectReadBack(messages, [at, bytes.length]);
        expectReadBack(messages, [1]);
      }),
      { numRuns: 300 },
    );
  });
});
