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
    name: 'comes back with the last event id',
    clause: REESTABLISH,
    answers: [{ body: [retry + event(1, 'e.1') + event(2, 'e.2')], after: 'end' }, { body: [event(3)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2', '3'], readyState: 1, lastEventIds: [undefined, 'e.2'] },
  },
  {
    name: 'comes back behind a reset and behind a body without its end',
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
        why: 'puts the data lines that a reset left behind before those of the next connection',
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
    name: 'is told to wait by a stream that ends at once, and comes back',
    clause: REESTABLISH,
    answers: [
      { body: [`${retry}event: linefeed.reconnect\ndata: {}\n\n`], after: 'end' },
      { body: [event(1)] },
    ],
    watchMs: 1_500,
    expected: { data: ['1'], readyState: 1 },
  },
  {
    name: 'is over with 204',
    clause: OPEN,
    answers: [{ body: [retry + event(1)], after: 'end' }, last],
    watchMs: 1_500,
    expected: { data: ['1'], readyState: CLOSED, lastEventIds: [undefined, undefined] },
  },
  ...[400, 404, 429, 502, 503].map((status): PlainRow => ({
    name: `is over with ${status}`,
    clause: OPEN,
    answers: [
      { body: [retry + event(1)], after: 'end' },
      { status, contentType: 'text/plain', after: 'end' },
    ],
    watchMs: 1_200,
    expected: { data: ['1'], readyState: CLOSED, lastEventIds: [undefined, undefined] },
  })),
  {
    name: 'comes back where the connection is reset before the head',
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
    name: 'comes back where the connection is refused for a while',
    clause: REESTABLISH,
    answers: [{ body: [retry + event(1)], after: 'end' }, { body: [event(2)] }],
    refusedMs: 1_500,
    watchMs: 4_000,
    expected: { data: ['1', '2'], readyState: 1 },
    deviates: {
      firefox: { why: 'gives up for ever', outcome: { data: ['1'], readyState: CLOSED } },
    },
  },
  {
    name: 'ignores a reconnection time with two spaces before it',
    clause: 'HTML §9.2.6, process the field',
    answers: [{ body: [`${retry}retry:  60000\n\n${event(1)}`], after: 'end' }, { body: [event(2)] }],
    watchMs: 1_500,
    expected: { data: ['1', '2'] },
    deviates: { webkit: { why: 'takes it over', outcome: { data: ['1'] } } },
  },
  ...[301, 303, 307, 308].map((status): PlainRow => ({
    name: `asks the first URL again behind a ${status}`,
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
        why: 'asks where it was sent to',
        outcome: { data: ['1', '2'], paths: ['first', 'elsewhere', 'elsewhere'] },
      },
      ...([301, 308].includes(status) && {
        firefox: {
          why: 'asks where a permanent redirect sent it to',
          outcome: { data: ['1', '2'], paths: ['first', 'elsewhere', 'elsewhere'] },
        },
      }),
    },
  })),
];
