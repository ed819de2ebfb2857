/**
 * A request and its answer, independent of the runtime. Adapters translate; the core never uses a runtime's own types.
 */
import { CODE_HEADER, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Timer } from '../base/clock.ts';
import type { Departure, ResponseSink } from './response-sink.ts';

export type StartTimer = (call: () => void) => Timer;

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  /** A header's value by its lower-case name. Several headers of one name are joined by `, `. */
  header(name: string): string | undefined;
  /** The body as text, at most `maxBytes` of it. Rejects with `payload_too_large` and leaves the rest unread. */
  text(maxBytes: number): Promise<string | ConsumedBody>;
  /**
   * Discards the rest of the body. At most `maxBytes` more are read, until the timer started with `startTimer` after
   * the answer fires. Then the sender is cut off.
   */
  discard(maxBytes: number, startTimer: StartTimer): void;
  /** The request without its body, for `context`. */
  toRequest(): Request;
  /** The runtime's own request object, if it is not a `Request`. Passed to `context`. */
  readonly req?: unknown;
}

/** The body was already read by other code of this server. */
export interface ConsumedBody {
  /** The remedy for the developer in this runtime. */
  readonly remedy: string;
}

export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>;

export interface HttpResponse {
  readonly status: number;
  readonly headers: HeaderList;
  /** The whole body, or a function that takes over the open response. */
  readonly body: string | ((sink: ResponseSink) => void) | undefined;
  /** Set if the connection must end after this answer. */
  readonly departure?: Departure | undefined;
  /** Must be called if the answer could not be sent. */
  readonly abandon?: ((error: unknown) => void) | undefined;
}

/** Resolves with `undefined` if the request is not for this object. */
export type Respond = (request: HttpRequest) => Promise<HttpResponse | undefined>;

/**
 * The key of a target's function. No entry exports it, so only this package can make a target. It is registered, so that
 * two copies of the package recognise each other's objects.
 */
export const RESPOND: unique symbol = Symbol.for('linefeed.respond');

/** An object that answers requests: a feed, or a stream as an endpoint of its own. */
export interface RequestTarget {
  /** `unknown` keeps the types of the core out of the published declarations. */
  readonly [RESPOND]: unknown;
}

export function toRequestTarget(respond: Respond): RequestTarget {
  return { [RESPOND]: respond };
}

export function isRequestTarget(value: unknown): value is RequestTarget {
  return typeof (value as Partial<RequestTarget> | null | undefined)?.[RESPOND] === 'function';
}

export function respond(target: RequestTarget, request: HttpRequest): ReturnType<Respond> {
  return (target[RESPOND] as Respond)(request);
}

/**
 * Headers of every event stream (WHATWG HTML §9.2.2, RFC 9111 §5.2.2). Never `Connection` or `Transfer-Encoding`:
 * HTTP/2 forbids both.
 */
const EVENT_STREAM_HEADERS: HeaderList = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  // no-transform stops compressing middleware and proxies from buffering events.
  ['cache-control', 'no-store, no-transform'],
  // nginx buffers a response unless this header turns it off.
  ['x-accel-buffering', 'no'],
];

/** The headers of an event stream, merged with `own` headers. `own` headers win by name. */
export function eventStreamHeaders(own: HeaderList): HeaderList {
  return own.length === 0 ? EVENT_STREAM_HEADERS : mergeHeaders(EVENT_STREAM_HEADERS, own);
}

/**
 * Merges headers: those of a later list win by case-insensitive name, `set-cookie` accumulates, `vary` is joined. Values
 * that one list gives under one name become one value, separated by commas (RFC 9110 §5.3).
 */
export function mergeHeaders(...lists: readonly HeaderList[]): HeaderList {
  const merged = new Map<string, string>();
  const cookies: Array<readonly [string, string]> = [];
  for (const list of lists) {
    const own = new Map<string, string>();
    for (const [name, value] of list) {
      const key = name.toLowerCase();
      const before = own.get(key);
      if (key === 'set-cookie') cookies.push([key, value]);
      else own.set(key, before === undefined ? value : `${before}, ${value}`);
    }
    for (const [key, value] of own)
      merged.set(key, key === 'vary' ? joinVary(merged.get(key), value) : value);
  }
  return [...merged, ...cookies];
}

/** The field names of both values, each once. */
export function joinVary(present: string | undefined, added: string): string {
  const names = [present, added].flatMap((list) => list?.split(',') ?? []).map((name) => name.trim());
  const known = new Set<string>();
  return names.filter((name) => name !== '' && known.size < known.add(name.toLowerCase()).size).join(', ');
}

/** The answer for a path without a feed. The message omits the query, which may contain a token. */
export function notFound(target: string): HttpResponse {
  const [path] = target.split('?');
  return toProblem(refusal('not_found', `There is nothing at ${path}. Is it the path of the feed?`));
}

/** A refusal as JSON (RFC 9457), with the code and, for invalid params, the schema's issues. Causes are not sent. */
export function toProblem(error: unknown, headers: HeaderList = []): HttpResponse {
  const known = toRefusal(error);
  const { status = 500, code, message, issues } = known;
  return {
    status,
    headers: mergeHeaders(
      [
        ['content-type', 'application/problem+json'],
        ['cache-control', 'no-store'],
        // The answer to a HEAD has no body, so the code is also a header.
        [CODE_HEADER, code],
      ],
      headers,
    ),
    body: JSON.stringify({
      title: message,
      status,
      code,
      issues: issues?.map((issue) => ({
        message: issue.message,
        path: issue.path?.map((part) => (typeof part === 'object' ? part.key : part)).map(String),
      })),
    }),
  };
}

/**
 * Converts anything thrown by user code into a refusal. Status: its own if that is 400 to 599, else 500. A
 * LinefeedError with a status is returned as it is. Another error's message is sent only with a status below 500 and
 * `expose: true`: errors of other libraries have a status too, and their message may be confidential. `failure`: the
 * code for everything else.
 */
export function toRefusal(
  error: unknown,
  failure: 'server_failed' | 'source_failed' = 'server_failed',
): LinefeedError {
  if (LinefeedError.is(error) && error.status !== undefined) return error;
  const { status: given, expose } = (typeof error === 'object' && error !== null ? error : {}) as {
    status?: unknown;
    expose?: unknown;
  };
  const status = Number(given);
  if (Number.isInteger(status) && status >= 400 && status <= 599) {
    const isQuoted = status < 500 && error instanceof Error && expose === true;
    const message = isQuoted ? error.message : `Refused with status ${status}.`;
    const code = status === 401 ? 'unauthorized' : status === 403 ? 'forbidden' : 'http_status';
    return new LinefeedError(code, message, { status, cause: error });
  }
  return refusal(failure, 'The server failed.', { cause: error });
}

/** Whether an error permits a retry. A status alone does not: the failed source may be a paid call. */
export function asksForRetry(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}

/**
 * Converts an error of user code like `toRefusal`. Calls `onError` for a failure (status 500 or more), not for a
 * refusal. This is the only place that reports it. The message of a failure is not sent, not even that of a
 * LinefeedError.
 */
export function toReportedRefusal(error: unknown, onError: (error: unknown) => void): LinefeedError {
  const known = toRefusal(error);
  const { code, status = 500, retryable } = known;
  if (status < 500) return known;
  // `throw undefined` gives no error to report.
  onError(error ?? known);
  if (known !== error) return known;
  return new LinefeedError(code, `Refused with status ${status}.`, { status, retryable, cause: error });
}
