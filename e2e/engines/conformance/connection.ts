/** The connection table: the behaviour of a server, and the resulting behaviour of a client with one subscription. */
import { FRAME } from '@linefeed/shared/wire';
import { QUICK, QUICK_RETURN_MS, event, fine, frame, opened, outlived } from './answers.ts';
import type { Answer, ConnectionRow } from './table.ts';

const OPEN = 'HTML §9.2.3, process response';
const REESTABLISH = 'HTML §9.2.3, reestablish the connection';
const OWN = 'Linefeed: the client owns reconnection';

export const CONNECTION: readonly ConnectionRow[] = [
  // The request
  {
    name: 'requests an uncached event stream, with its cursor only in the query',
    clause: 'HTML §9.2.2, the request; Linefeed: no Last-Event-ID, no preflight',
    answers: [{ body: [opened(0) + event(1)], after: 'end' }, fine(1, 2)],
    client: { retry: QUICK, until: { payloads: 2 } },
    expected: {
      cursors: [undefined, 'e.1'],
      headers: {
        accept: 'text/event-stream',
        'cache-control': 'no-cache',
        'last-event-id': undefined,
        'content-type': undefined,
      },
    },
  },
  {
    name: 'reads a stream of another origin without a preflight',
    clause: 'Fetch §4.8, a CORS-safelisted request',
    answers: [
      {
        headers: { 'access-control-allow-origin': '*' },
        body: [opened(0) + event(1)],
        after: 'end',
      },
      { headers: { 'access-control-allow-origin': '*' }, body: [opened(1) + event(2)] },
    ],
    client: { retry: QUICK, until: { payloads: 2 }, crossOrigin: true },
    expected: { payloads: [1, 2], methods: { fetch: ['GET'], EventSource: ['GET'] } },
  },
  {
    name: 'retries another origin that does not allow the request, as for a network error',
    clause: 'Fetch §4.9, CORS check',
    answers: [fine(0), { headers: { 'access-control-allow-origin': '*' }, body: [opened(0) + event(1)] }],
    client: { retry: QUICK, until: { payloads: 1 }, crossOrigin: true },
    expected: { payloads: [1] },
  },
  // Opening a stream
  {
    name: 'is connected when hello arrives, before any event',
    clause: 'Linefeed: hello comes with the head',
    answers: [{ body: [opened(0)] }],
    client: { until: { state: 'connected' } },
    expected: { state: 'connected', payloads: [], atMost: 1 },
  },
  {
    name: 'accepts the media type of an event stream in any case and with any parameters',
    clause: OPEN,
    answers: [
      ...[
        'TEXT/Event-Stream',
        'text/event-stream;',
        'text/event-stream ; x=y',
        'text/event-stream;bogus',
      ].map((contentType, index): Answer => ({
        contentType,
        body: [opened(index) + event(index + 1)],
        after: 'end',
      })),
      fine(4),
    ],
    client: { retry: QUICK, until: { payloads: 4, connections: 5 } },
    expected: { payloads: [1, 2, 3, 4], error: undefined },
  },
  ...[null, 'text/plain', 'text/event-stream-x', 'x text/event-stream', 'application/json'].map(
    (contentType): ConnectionRow => ({
      name: `fails on a response of type ${contentType ?? 'none'}`,
      clause: OPEN,
      answers: [{ contentType, body: [opened(0) + event(1)], after: 'end' }],
      client: { until: { state: 'failed' } },
      expected: { state: 'failed', payloads: [], error: 'wrong_content_type 200', cursors: [undefined] },
    }),
  ),
  // Statuses
  {
    name: 'closes on 204, and sends no further request',
    clause: OPEN,
    answers: [{ status: 204 }],
    client: { until: { state: 'closed', ms: 300 } },
    expected: { state: 'closed', error: undefined, cursors: [undefined] },
  },
  {
    name: 'closes on a 204 after a connection that worked',
    clause: OPEN,
    answers: [{ body: [opened(0) + event(1)], after: 'end' }, { status: 204 }],
    client: { retry: QUICK, until: { state: 'closed', ms: 300 } },
    expected: { state: 'closed', payloads: [1], cursors: [undefined, 'e.1'] },
  },
  ...[205, 400, 403, 404, 406, 410, 418].map((status): ConnectionRow => ({
    name: `fails on ${status}, and sends no further request`,
    clause: `${OPEN}; ${OWN}`,
    answers: [{ status, contentType: 'application/json', body: ['{"code":"x"}'], after: 'end' }],
    client: { retry: QUICK, until: { state: 'failed', ms: 300 } },
    expected: { state: 'failed', error: `http_status ${status}`, cursors: [undefined] },
  })),
  {
    name: 'fails on the second 401 in a row',
    clause: OWN,
    answers: [{ status: 401, contentType: null, after: 'end' }],
    client: { retry: QUICK, until: { state: 'failed', ms: 300 } },
    expected: { state: 'failed', error: 'http_status 401', cursors: [undefined, undefined] },
  },
  ...[408, 425, 429, 500, 502, 503, 504].map((status): ConnectionRow => ({
    name: `retries after ${status}`,
    clause: OWN,
    answers: outlived(status),
    client: { retry: QUICK, until: { payloads: 1 } },
    expected: { payloads: [1], state: 'connected', error: undefined, cursors: [undefined, undefined] },
  })),
  {
    name: 'waits for the time in Retry-After',
    clause: 'RFC 9110 §10.2.3',
    answers: outlived(503, { 'retry-after': '1' }),
    client: { retry: QUICK, until: { payloads: 1 } },
    expected: { payloads: [1], pauseMs: [1_000, 4_000] },
  },
  ...[301, 302, 303, 307, 308].map((status): ConnectionRow => ({
    name: `follows a ${status}, and reconnects to the first URL`,
    clause: REESTABLISH,
    answers: [
      { status, headers: { location: '?elsewhere' }, contentType: null, after: 'end' },
      { body: [opened(0) + event(1)], after: 'end' },
      fine(1, 2),
    ],
    client: { retry: QUICK, until: { payloads: 2 } },
    expected: { payloads: [1, 2], cursors: [undefined, undefined, 'e.1'] },
  })),
  // The network
  {
    name: 'retries when the connection is reset before the head',
    clause: `${REESTABLISH}; ${OWN}`,
    answers: [{ after: 'reset', forMs: 800 }, fine(0, 1)],
    client: { retry: QUICK, until: { payloads: 1 } },
    expected: { payloads: [1], state: 'connected', error: undefined },
  },
  ...(['end', 'truncate', 'reset'] as const).map((after): ConnectionRow => ({
    name: `reconnects with its cursor after ${{ end: 'a clean end', truncate: 'a body without its end', reset: 'a reset' }[after]}, also in the middle of a frame`,
    clause: REESTABLISH,
    answers: [
      // The pause lets earlier bytes be read: a reset may discard unread ones.
      { body: [opened(0), event(1) + event(2), event(3).slice(0, -1)], after },
      { body: [opened(2), event(3).slice(0, 7)], after },
      fine(2, 3, 4),
    ],
    client: { retry: QUICK, until: { payloads: 4 } },
    expected: { payloads: [1, 2, 3, 4], cursors: [undefined, 'e.2', 'e.2'], error: undefined },
  })),
  {
    name: 'reconnects after an empty stream',
    clause: REESTABLISH,
    answers: [{ body: [], after: 'end' }, { body: [':\n\n'], after: 'end' }, fine(0, 1)],
    client: { retry: QUICK, until: { payloads: 1 } },
    expected: { payloads: [1] },
  },
  // Silence
  {
    name: 'reconnects when a server never answers',
    clause: 'Linefeed: connectTimeoutMs',
    answers: [{ after: 'mute' }, fine(0, 1)],
    client: { retry: QUICK, connectTimeoutMs: 300, until: { payloads: 1 } },
    expected: { payloads: [1], pauseMs: [150, 4_000] },
  },
  {
    name: 'reconnects when a stream sends comments but no hello',
    clause: 'Linefeed: connectTimeoutMs',
    answers: [{ body: [':\n\n'], after: 'comment' }, fine(0, 1)],
    client: { retry: QUICK, connectTimeoutMs: 300, until: { payloads: 1 } },
    expected: { payloads: [1], pauseMs: [150, 4_000] },
  },
  {
    name: 'replaces a connection that is silent for the announced timeout, and sends its cursor',
    clause: 'Linefeed: timeoutMs',
    answers: [{ body: [opened(0, 400) + event(1)] }, fine(1, 2)],
    client: { retry: QUICK, until: { payloads: 2 } },
    expected: { payloads: [1, 2], cursors: [undefined, 'e.1'], pauseMs: [200, 4_000] },
  },
  {
    name: 'counts a ping as a sign of life',
    clause: 'Linefeed: ping',
    answers: [{ body: [opened(0, 2_000) + event(1)], after: 'ping' }, fine(1, 2)],
    client: { retry: QUICK, until: { payloads: 1, ms: 3_000 } },
    expected: { payloads: [1], state: 'connected', atMost: 1 },
  },
  {
    name: 'counts a comment as a sign of life, if the transport can see comments',
    clause: 'Linefeed: fetch counts bytes',
    answers: [{ body: [opened(0, 2_000) + event(1)], after: 'comment' }, fine(1, 2)],
    client: { retry: QUICK, until: { payloads: 1, ms: 3_000 } },
    readers: ['fetch'],
    expected: { payloads: [1], state: 'connected', atMost: 1 },
  },
  // Frames
  {
    name: 'reads a stream that arrives byte by byte',
    clause: 'HTML §9.2.6',
    answers: [{ body: [...Buffer.from(opened(0) + event(1, 'é😀'))].map((each) => Uint8Array.of(each)) }],
    client: { until: { payloads: 1 } },
    expected: { payloads: ['é😀'], atMost: 1 },
  },
  {
    name: 'reads a frame of a million characters',
    clause: 'Linefeed: payload limit',
    answers: [{ body: [opened(0) + event(1, { text: 'x'.repeat(1_000_000) })] }],
    client: { until: { payloads: 1 } },
    expected: { payloads: [{ text: 'x'.repeat(1_000_000) }], atMost: 1 },
  },
  {
    name: 'an event named error or open does not end the stream',
    clause: 'HTML §9.2.6, dispatch the event',
    answers: [
      {
        body: [opened(0) + frame('error', 'x') + frame('open', 'x'), event(1)],
      },
    ],
    client: { until: { payloads: 1, ms: 300 } },
    expected: { payloads: [1], state: 'connected', error: undefined, atMost: 1 },
  },
  {
    name: 'a duplicate is handled once',
    clause: 'Linefeed: cursors decide, never the last event id',
    answers: [{ body: [opened(0) + event(1) + event(2)], after: 'end' }, fine(0, 1, 2, 3)],
    client: { retry: QUICK, until: { payloads: 3 } },
    expected: { payloads: [1, 2, 3] },
  },
  // The time of a reconnect
  {
    name: 'reconnects after the time in linefeed.reconnect, with its cursor',
    clause: 'Linefeed: reconnect',
    answers: [
      {
        body: [
          opened(0) + event(1) + frame(FRAME.reconnect, { afterMs: 700, reason: 'drain' }) + 'retry: 700\n\n',
        ],
        after: 'end',
      },
      fine(1, 2),
    ],
    client: { retry: QUICK, until: { payloads: 2 } },
    expected: { payloads: [1, 2], cursors: [undefined, 'e.1'], pauseMs: [700, 4_000] },
  },
  {
    name: 'a reconnection time of 0 does not cause a storm of requests',
    clause: 'Linefeed: floorMs',
    answers: [{ body: [`retry: 0\n\n${opened(0)}`], after: 'end' }],
    client: { retry: { floorMs: 200, capMs: 200 }, until: { connections: 2, ms: 1_000 } },
    expected: { atMost: 2 + Math.ceil((1_000 + QUICK_RETURN_MS) / 200) },
  },
  {
    name: 'a reconnection time of years neither overflows nor ends the client',
    clause: 'Linefeed: capMs',
    answers: [{ body: ['retry: 99999999999\n\n'], after: 'end' }, fine(0, 1)],
    client: { retry: { floorMs: 100, capMs: 300 }, until: { payloads: 1 } },
    expected: { payloads: [1], pauseMs: [90, 4_000], atMost: 2 },
  },
  // Leaving
  {
    name: 'ends the response when the client is closed',
    clause: 'HTML §9.2.2, close()',
    answers: [{ body: [opened(0)], after: 'ping' }],
    client: { until: {}, closeOn: { state: 'connected', watchMs: 300 } },
    expected: { state: 'closed', left: true, atMost: 1 },
  },
  {
    name: 'does not reconnect when it is closed during a wait',
    clause: 'HTML §9.2.2, close()',
    answers: [{ status: 503, contentType: null, after: 'end' }],
    client: {
      retry: { baseMs: 100, floorMs: 100, capMs: 100 },
      until: {},
      closeOn: { state: 'reconnecting', watchMs: 400 },
    },
    expected: { state: 'closed', atMost: 1 },
  },
];
