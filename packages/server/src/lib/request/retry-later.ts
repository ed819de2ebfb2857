/** Rejections that tell a client to retry later, as a POST and as an event stream. */
import { encodeFrame, FRAME, LinefeedError, refusal, type Reconnect } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { eventStreamHeaders, toProblem, type HeaderList, type HttpResponse } from '../http/http.ts';
import type { Departure, ResponseSink } from '../http/response-sink.ts';

const encoder = new TextEncoder();

/** The messages that a POST gets with each code. */
const MESSAGES = {
  too_many_connections: 'The server accepts no more connections now.',
  draining: 'The server is about to stop.',
  disconnected: 'Reconnect; the request is identified again.',
  timeout: 'The server could not decide on this request in time.',
  busy: 'This connection has too many unanswered requests; send the same request later, or open a new connection.',
};

/** Thrown to reject a request. Its client is told to retry after `baseMs` plus a random part of up to `baseMs`. */
export class RetryLater extends Error {
  readonly reason: Reconnect['reason'];
  /** The error code that a POST gets. */
  readonly code: keyof typeof MESSAGES;
  readonly baseMs: number;

  constructor(reason: Reconnect['reason'], code: keyof typeof MESSAGES, baseMs: number) {
    super(MESSAGES[code]);
    this.reason = reason;
    this.code = code;
    this.baseMs = baseMs;
  }
}

const BUSY_MS = 5_000;

/** For a context that had expired on arrival. The wait is long, because the next context may be expired too. */
export const EXPIRED_ON_ARRIVAL: RetryLater = new RetryLater('expired', 'disconnected', BUSY_MS);
export const NO_SLOT: RetryLater = new RetryLater('busy', 'too_many_connections', BUSY_MS);
const TIMED_OUT = new RetryLater('busy', 'timeout', BUSY_MS);
const OVERLOADED = new RetryLater('busy', 'busy', BUSY_MS);

/** Codes of a log and of a store of runs that cannot be reached. */
const UNREADABLE: ReadonlySet<string> = new Set(['log_failed', 'runs_failed']);

/**
 * Converts an error of a step. Timeout and busy are not failures, so `onError` is not called. A log or a
 * store of runs that cannot be read now is reported once elsewhere, not by each request.
 */
export function toRetryLater(error: unknown): RetryLater | undefined {
  if (error instanceof RetryLater) return error;
  if (!LinefeedError.is(error)) return undefined;
  if (UNREADABLE.has(error.code) && error.retryable) return TIMED_OUT;
  return error.code === 'timeout' ? TIMED_OUT : error.code === 'busy' ? OVERLOADED : undefined;
}

/**
 * A GET gets an event stream with `reconnect`: a 503 would end a plain EventSource permanently (WHATWG HTML §9.2.3).
 */
export function rejectWithRetry(
  method: string,
  retry: RetryLater,
  headers: HeaderList,
  clock: Clock,
): HttpResponse {
  const departure = departureOf(retry);
  if (method === 'POST') {
    const afterS = Math.ceil(spread(retry, clock) / 1000);
    const problem = toProblem(refusal(retry.code, retry.message), [
      ...headers,
      ['retry-after', String(afterS)],
    ]);
    return { ...problem, departure };
  }
  const body = (sink: ResponseSink): void => writeReconnect(sink, retry, clock);
  return { status: 200, headers: eventStreamHeaders(headers), body, departure };
}

/** Writes `reconnect` on a response whose head was already sent. */
export function writeReconnect(sink: ResponseSink, retry: RetryLater, clock: Clock): void {
  if (sink.closed) return;
  const { reason } = retry;
  const afterMs = spread(retry, clock);
  const frame = encodeFrame({
    retryMs: afterMs,
    event: FRAME.reconnect,
    data: JSON.stringify({ afterMs, reason } satisfies Reconnect),
  });
  sink.end(encoder.encode(frame), departureOf(retry));
}

/** Adds jitter, so that clients that are rejected together do not reconnect together. */
function spread({ baseMs }: RetryLater, clock: Clock): number {
  return Math.round(baseMs * (1 + clock.random()));
}

function departureOf({ code }: RetryLater): Departure {
  return code === 'draining' ? 'closing' : 'reconnect';
}
