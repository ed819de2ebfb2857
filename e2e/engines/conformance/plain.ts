/** The table of the plain EventSource: an engine's behaviour without any of our code. */
import type { Answer, PlainRow } from './table.ts';

const retry = 'retry: 100\n\n';
const event = (n: number, id = ''): string => `${id === '' ? '' : `id: ${id}\n`}data: ${n}\n\n`;
const last: Answer = { status: 204 };

const CLOSED = 2;
const REESTABLISH = 'HTML §9.2.3, reestablish the connection';
const OPEN = 'HTML §9.2.3, process response';

export const PLAIN: readonly PlainRow[] = [
  {
    name: 'reconnects with the last event id',
    clause: REESTABLISH,
    answers: [{ body: [retry + event(1, 'e.1') + event(2, 'e.2')], after: 'end' }, { body: [event(3)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2', '3'], readyState: 1, lastEventIds: [undefined, 'e.2'] },
  },
  {
    name: 'reconnects after a reset, and after a body without its end',
    clause: REESTABLISH,
    answers: [
      { body: [retry + event(1, '1'), 'id: 2\ndata: x\n'], after: 'reset' },
      { body: [event(2, '2'), 'id: 3\ndata: x'], after: 'truncate' },
      { body: [event(3)] },
    ],
    watchMs: 2_500,
    expected: { data: ['1', '2', '3'], readyState: 1, lastEventIds: [undefined, '1', '2'] },
    deviates: {
      webkit: {
        why: 'keeps the data lines of a block that a reset cut, and puts them into the first event of the next connection',
        outcome: { data: ['1', 'x\n2', '3'], readyState: 1, lastEventIds: [undefined, '1', '2'] },
      },
    },
  },
  {
    name: 'sends an id as UTF-8',
    clause: 'HTML §9.2.3, Last-Event-ID',
    answers: [{ body: [retry + event(1, '…😀')], after: 'end' }, { body: [event(2)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2'], lastEventIds: [undefined, '…😀'] },
  },
  {
    name: 'sends no empty id',
    clause: 'HTML §9.2.3, Last-Event-ID',
    answers: [{ body: [`${retry}id: 1\ndata: 1\n\nid\ndata: 2\n\n`], after: 'end' }, { body: [event(3)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2', '3'], lastEventIds: [undefined, undefined] },
  },
  {
    name: 'sends the id of a block without data',
    clause: 'HTML §9.2.6, dispatch the event',
    answers: [{ body: [`${retry}id: 1\ndata: 1\n\nid: 2\n\n`], after: 'end' }, { body: [event(2)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2'], lastEventIds: [undefined, '2'] },
    deviates: {
      firefox: {
        why: 'sends the id of the last event with data',
        outcome: { data: ['1', '2'], lastEventIds: [undefined, '1'] },
      },
      webkit: {
        why: 'sends the id of the last event with data',
        outcome: { data: ['1', '2'], lastEventIds: [undefined, '1'] },
      },
    },
  },
  {
    name: 'reconnects after a stream that ends immediately',
    clause: REESTABLISH,
    answers: [
      { body: [`${retry}event: linefeed.reconnect\ndata: {}\n\n`], after: 'end' },
      { body: [event(1)] },
    ],
    watchMs: 1_500,
    expected: { data: ['1'], readyState: 1 },
  },
  {
    name: 'stops permanently on 204',
    clause: OPEN,
    answers: [{ body: [retry + event(1)], after: 'end' }, last],
    watchMs: 1_500,
    expected: { data: ['1'], readyState: CLOSED, lastEventIds: [undefined, undefined] },
  },
  ...[400, 404, 429, 502, 503].map((status): PlainRow => ({
    name: `stops permanently on ${status}`,
    clause: OPEN,
    answers: [
      { body: [retry + event(1)], after: 'end' },
      { status, contentType: 'text/plain', after: 'end' },
    ],
    watchMs: 1_200,
    expected: { data: ['1'], readyState: CLOSED, lastEventIds: [undefined, undefined] },
  })),
  {
    name: 'reconnects when the connection is reset before the head',
    clause: REESTABLISH,
    answers: [
      { body: [retry + event(1)], after: 'end' },
      { after: 'reset', forMs: 1_000 },
      { body: [event(2)] },
    ],
    watchMs: 4_000,
    expected: { data: ['1', '2'], readyState: 1 },
  },
  {
    name: 'reconnects when the connection is refused for a time',
    clause: REESTABLISH,
    answers: [{ body: [retry + event(1)], after: 'end' }, { body: [event(2)] }],
    refusedMs: 1_500,
    watchMs: 4_000,
    expected: { data: ['1', '2'], readyState: 1 },
    deviates: {
      firefox: {
        why: 'stops permanently when a connection is refused',
        outcome: { data: ['1'], readyState: CLOSED },
      },
    },
  },
  {
    name: 'ignores a reconnection time with two spaces before it',
    clause: 'HTML §9.2.6, process the field',
    answers: [{ body: [`${retry}retry:  60000\n\n${event(1)}`], after: 'end' }, { body: [event(2)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2'] },
    deviates: {
      webkit: { why: 'accepts a reconnection time with two spaces before it', outcome: { data: ['1'] } },
    },
  },
  ...[301, 303, 307, 308].map((status): PlainRow => ({
    name: `reconnects to the first URL after a ${status}`,
    clause: REESTABLISH,
    answers: [
      { status, headers: { location: '?elsewhere' }, contentType: null, after: 'end' },
      { body: [retry + event(1)], after: 'end' },
      { body: [event(2)] },
    ],
    watchMs: 1_500,
    expected: { data: ['1', '2'], paths: ['first', 'elsewhere', 'first'] },
    deviates: {
      chromium: {
        why: 'reconnects to the URL that a redirect gave',
        outcome: { data: ['1', '2'], paths: ['first', 'elsewhere', 'elsewhere'] },
      },
      ...([301, 308].includes(status) && {
        firefox: {
          why: 'reconnects to the URL that a permanent redirect gave',
          outcome: { data: ['1', '2'], paths: ['first', 'elsewhere', 'elsewhere'] },
        },
      }),
    },
  })),
];
