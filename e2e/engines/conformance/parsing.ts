/** The parsing table: bytes and cuts, and the frames that a reader must produce. */
import type { Frame, ParsingRow } from './table.ts';

/** Event names that every reader listens for. */
export const LISTENED: readonly string[] = ['message', 'a', 'b', 'price?symbol=A%26B'];

const message = (data: string, id = ''): Frame => ['message', data, id];
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const LINES = 'HTML §9.2.5, the lines of a stream';
const FIELDS = 'HTML §9.2.6, process the field';
const DISPATCH = 'HTML §9.2.6, dispatch the event';
const DECODING = 'HTML §9.2.6, decoded as UTF-8';
const LONG = 'x'.repeat(100_000);

export const PARSING: readonly ParsingRow[] = [
  // Lines
  {
    name: 'LF, CR and CRLF end a line, mixed',
    clause: LINES,
    body: ['data: 1\rdata: 2\ndata: 3\r\n\r\ndata: 4\n\rdata: 5\r\r'],
    frames: [message('1\n2\n3'), message('4'), message('5')],
  },
  {
    name: 'a CRLF that is split across chunks is one line end',
    clause: LINES,
    body: ['data: 1\r', '\ndata: 2\r', '\n\r', '\n'],
    frames: [message('1\n2')],
  },
  {
    name: 'a CR at the end of a chunk ends its line at once',
    clause: LINES,
    body: ['data: 1\r\r'],
    open: true,
    frames: [message('1')],
  },
  {
    name: 'an event is dispatched when its blank line arrives, without further bytes',
    clause: LINES,
    body: ['data: 1\n\n'],
    open: true,
    frames: [message('1')],
  },
  {
    name: 'no other character ends a line',
    clause: LINES,
    body: ['data: 1\u2028\u2029\u0085\u000b\u000c2\n\n'],
    frames: [message('1\u2028\u2029\u0085\u000b\u000c2')],
  },
  {
    name: 'a line of one space is not a blank line',
    clause: LINES,
    body: ['data: 1\n \ndata: 2\n\n'],
    frames: [message('1\n2')],
  },
  {
    name: 'blank lines without an event between them dispatch nothing',
    clause: DISPATCH,
    body: ['\n\n\r\n\rdata: 1\n\n\n\n\ndata: 2\n\n\n'],
    frames: [message('1'), message('2')],
  },
  {
    name: 'a line of 100,000 characters is one line',
    clause: LINES,
    body: [`data: ${LONG}\n\n`],
    frames: [message(LONG)],
  },
  {
    name: 'a thousand data lines are one event',
    clause: DISPATCH,
    body: [`${'data: 1\n'.repeat(1_000)}\n`],
    frames: [message(Array.from({ length: 1_000 }, () => '1').join('\n'))],
  },
  // Byte order marks
  {
    name: 'one byte order mark at the start is removed',
    clause: DECODING,
    body: ['\uFEFFdata: 1\n\ndata: 2\n\n'],
    frames: [message('1'), message('2')],
    deviates: {
      webkit: {
        why: 'loses the first event if the byte order mark is split across chunks',
        frames: [message('2')],
        chunkings: ['bytes'],
      },
    },
  },
  {
    name: 'a second byte order mark makes its line an unknown field',
    clause: DECODING,
    body: ['\uFEFF\uFEFFdata: 1\n\ndata: 2\n\n'],
    frames: [message('2')],
  },
  {
    name: 'a byte order mark after the start makes its line an unknown field',
    clause: DECODING,
    body: ['data: 1\n\n\uFEFFdata: x\ndata: 2\n\n'],
    frames: [message('1'), message('2')],
  },
  // Decoding
  {
    name: 'a character of several bytes may be split at any byte',
    clause: DECODING,
    body: ['data: é€😀\n\n'],
    frames: [message('é€😀')],
  },
  {
    name: 'a byte that is not UTF-8 becomes U+FFFD',
    clause: DECODING,
    body: ['data: ', bytes(0xff), '1', bytes(0xc3), '\n\n'],
    frames: [message('\uFFFD1\uFFFD')],
  },
  {
    name: 'the charset of the response is ignored',
    clause: DECODING,
    body: ['data: é\n\n'],
    contentType: 'text/event-stream; charset=windows-1252',
    frames: [message('é')],
    deviates: {
      chromium: { why: 'refuses a response whose charset is not UTF-8', frames: [] },
    },
  },
  {
    name: 'U+0000 in data is kept',
    clause: FIELDS,
    body: ['data: 1\u00002\n\n'],
    frames: [message('1\u00002')],
    deviates: { firefox: { why: 'removes U+0000 from data', frames: [message('12')] } },
  },
  // Fields
  {
    name: 'one space after the colon is removed, and nothing else',
    clause: FIELDS,
    body: ['data:1\n\ndata:  2\n\ndata:\t3\n\ndata: 4 \n\n'],
    frames: [message('1'), message(' 2'), message('\t3'), message('4 ')],
  },
  {
    name: 'only the first colon of a line divides it',
    clause: FIELDS,
    body: ['data: 1: 2\n\ndata::3\n\n'],
    frames: [message('1: 2'), message(':3')],
  },
  {
    name: 'the names of fields are compared exactly',
    clause: FIELDS,
    body: ['Data: x\nDATA: x\n data: x\ndata : x\nda-ta: x\ndat: x\ndata1: x\ndata: 1\n\n'],
    frames: [message('1')],
  },
  {
    name: 'unknown fields are ignored',
    clause: FIELDS,
    body: ['foo: x\nfoo\n: \nid2: x\ndata: 1\n\nfoo: x\n\n'],
    frames: [message('1')],
  },
  {
    name: 'comments are ignored',
    clause: FIELDS,
    body: [`:${'x'.repeat(2_000)}\n\n: \u0000\r:\n\n:data: x\ndata: 1\n:\ndata: 2\n\n:\n\n`],
    frames: [message('1\n2')],
  },
  // Data
  {
    name: 'an empty data line dispatches an empty event',
    clause: DISPATCH,
    body: ['data:\n\ndata\n\ndata: \n\n'],
    frames: [message(''), message(''), message('')],
  },
  {
    name: 'two empty data lines are one line break',
    clause: DISPATCH,
    body: ['data\ndata\n\ndata:\ndata:\n\n'],
    frames: [message('\n'), message('\n')],
  },
  {
    name: 'text in data that looks like a field stays data',
    clause: FIELDS,
    body: ['data: [DONE]\n\ndata: {"error":1}\n\n'],
    frames: [message('[DONE]'), message('{"error":1}')],
  },
  // Event types
  {
    name: 'an event type applies to one event only',
    clause: DISPATCH,
    body: ['event: a\ndata: 1\n\ndata: 2\n\n'],
    frames: [['a', '1', ''], message('2')],
  },
  {
    name: 'the type of a block without data does not apply to the next event',
    clause: DISPATCH,
    body: ['event: a\n\ndata: 1\n\n'],
    frames: [message('1')],
  },
  {
    name: 'the last type of a block applies, and an empty one means message',
    clause: FIELDS,
    body: ['event: a\nevent: b\ndata: 1\n\nevent: a\nevent\ndata: 2\n\nevent:\ndata: 3\n\n'],
    frames: [['b', '1', ''], message('2'), message('3')],
  },
  {
    name: 'an address is an event type, unchanged',
    clause: FIELDS,
    body: ['event: price?symbol=A%26B\ndata: 1\n\nevent: price?symbol=A&B\ndata: x\n\n'],
    frames: [['price?symbol=A%26B', '1', '']],
  },
  {
    name: 'events named error, open and close do not end the stream',
    clause: DISPATCH,
    body: ['event: open\ndata: x\n\nevent: error\ndata: x\n\nevent: close\ndata: x\n\ndata: 1\n\n'],
    frames: [message('1')],
  },
  // Ids
  {
    name: 'an id applies until the next id',
    clause: DISPATCH,
    body: ['id: 1\ndata: 1\n\ndata: 2\n\nid: 3\ndata: 3\n\n'],
    frames: [message('1', '1'), message('2', '1'), message('3', '3')],
  },
  {
    name: 'an empty id, with or without a colon, removes the id',
    clause: FIELDS,
    body: ['id: 1\ndata: 1\n\nid:\ndata: 2\n\nid: 3\ndata: 3\n\nid\ndata: 4\n\n'],
    frames: [message('1', '1'), message('2'), message('3', '3'), message('4')],
  },
  {
    name: 'the last id of a block applies, with its spaces',
    clause: FIELDS,
    body: ['id: 1\nid:  2 \ndata: 1\n\n'],
    frames: [message('1', ' 2 ')],
  },
  {
    name: 'an id of any characters arrives unchanged',
    clause: FIELDS,
    body: ['id: e.1z~%7E/…😀\ndata: 1\n\n'],
    frames: [message('1', 'e.1z~%7E/…😀')],
  },
  {
    name: 'an id with U+0000 is ignored, and its event is dispatched',
    clause: FIELDS,
    body: ['id: 1\ndata: 1\n\nid: 2\u0000\ndata: 2\n\nid: \u0000\ndata: 3\n\ndata: 4\n\n'],
    frames: [message('1', '1'), message('2', '1'), message('3', '1'), message('4', '1')],
    deviates: {
      firefox: {
        why: 'drops an event whose id contains U+0000',
        frames: [message('1', '1'), message('4', '1')],
      },
    },
  },
  {
    name: 'a block with only an id dispatches nothing, and its id applies to later events',
    clause: DISPATCH,
    body: ['id: 1\n\ndata: 1\n\n'],
    frames: [message('1', '1')],
    deviates: {
      firefox: { why: 'forgets the id of a block without data', frames: [message('1')] },
    },
  },
  // Ends
  {
    name: 'a block without a blank line at the end of the stream is dropped',
    clause: 'HTML §9.2.6, once the end of the file is reached',
    body: ['id: 1\ndata: 1\n\nid: 2\ndata: 2\n'],
    frames: [message('1', '1')],
  },
  {
    name: 'a line without a line end at the end of the stream is dropped',
    clause: 'HTML §9.2.6, once the end of the file is reached',
    body: ['data: 1\n\nid: 2\ndata: 2'],
    frames: [message('1')],
  },
  {
    name: 'an empty body dispatches no event',
    clause: 'HTML §9.2.5, ABNF of a stream',
    body: [''],
    frames: [],
  },
  // Reconnection times
  {
    name: 'a reconnection time of digits only is accepted, in base ten',
    clause: FIELDS,
    body: ['retry: 1000\n\nretry:02000\nretry: 0\ndata: 1\n\n'],
    frames: [message('1')],
    retryMs: [1_000, 2_000, 0],
  },
  {
    name: 'a reconnection time of anything else is ignored',
    clause: FIELDS,
    body: [
      'retry: 1x\nretry: -1\nretry: 1.5\nretry: 1e3\nretry:  300\nretry: 3 \nretry: 0x10\nretry:\nretry\ndata: 1\n\n',
    ],
    frames: [message('1')],
    retryMs: [],
  },
  {
    name: 'a reconnection time needs no blank line',
    clause: FIELDS,
    body: ['data: 1\n\nretry: 1000\n'],
    frames: [message('1')],
    retryMs: [1_000],
  },
];
