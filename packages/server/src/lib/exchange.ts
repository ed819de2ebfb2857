/** A request and its answer in the least common form of all runtimes. Adapters translate; the core never sees theirs. */
import { CODE_HEADER, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Timer } from './clock.ts';
import type { Outlet } from './outlet.ts';

export type StartTimer = (call: () => void) => Timer;

export interface IncomingRequest {
  readonly method: string;
  readonly url: URL;
  /** A header's value by its lower-case name; several of one name joined by `, `. */
  header(name: string): string | undefined;
  /**
   * The body as text, at most `maxBytes` of it. Rejects with `payload_too_large`, leaving the rest unread.
   */
  text(maxBytes: number): Promise<string | BodyIsGone>;
  /**
   * Lets go of a body that nobody reads on. At most `maxBytes` more are thrown away, until some time after the answer, which
   * `startTimer` measures. Then its sender is cut off.
   */
  discard(maxBytes: number, startTimer: StartTimer): void;
  /** The request without its body, for `context`. */
  toRequest(): Request;
  /** The runtime's own request, where that is of another kind: for `context`. */
  readonly req?: unknown;
}

/** Other code of this server has read the body. */
export interface BodyIsGone {
  /** What its developer can do in this runtime. */
  readonly remedy: string;
}

export type HeaderList = ReadonlyArray<readonly [name: string, value: string]>;

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  /** The whole body, or what takes the open response over. */
  readonly body: string | ((outlet: Outlet) => void) | undefined;
  /** To be called where the answer could not be sent. */
  readonly abandon?: ((error: unknown) => void) | undefined;
}

/** Something that answers requests: a feed, or a stream as an endpoint of its own. */
export interface Answerer {
  /** @internal `undefined`: the request is for somebody else. */
  '~answer'(request: IncomingRequest): Promise<Answer | undefined>;
}

/** What an event stream must say of itself (WHATWG HTML §9.2.2, RFC 9111 §5.2.2). Never `Connection` or `Transfer-Encoding`: HTTP/2 forbids both. */
const EVENT_STREAM_HEADERS: HeaderList = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  // no-transform keeps compressing middleware and proxies from holding events back.
  ['cache-control', 'no-store, no-transform'],
  // nginx buffers a response until told not to.
  ['x-accel-buffering', 'no'],
];

/** The head of an event stream with headers of its own, which win by name. */
export function eventStreamHeaders(own: HeaderList): HeaderList {
  return own.length === 0 ? EVENT_STREAM_HEADERS : mergeHeaders(EVENT_STREAM_HEADERS, own);
}

/** Later headers win by name, without case; `set-cookie` accumulates, `vary` is joined. */
export function mergeHeaders(...lists: readonly HeaderList[]): HeaderList {
  const merged = new Map<string, string>();
  const cookies: Array<readonly [string, string]> = [];
  for (const [name, value] of lists.flat()) {
    const key = name.toLowerCase();
    if (key === 'set-cookie') cookies.push([key, value]);
    else merged.set(key, key === 'vary' ? joinVary(merged.get(key), value) : value);
  }
  return [...merged, ...cookies];
}

/** Field names of both, each once. */
export function joinVary(present: string | undefined, added: string): string {
  const names = [present, added].flatMap((list) => list?.split(',') ?? []).map((name) => name.trim());
  const known = new Set<string>();
  return names.filter((name) => name !== '' && known.size < known.add(name.toLowerCase()).size).join(', ');
}

/** The answer where no feed is. The query is left out: it may hold a token. */
export function notFound(target: string): Answer {
  const [path] = target.split('?');
  return toProblem(refusal('not_found', `There is nothing at ${path}. Is it the path of the feed?`));
}

/** A refusal as JSON (RFC 9457), with the code and, for bad params, what the schema said. Causes stay here. */
export function toProblem(error: unknown, headers: HeaderList = []): Answer {
  const known = toRefusal(error);
  const { status = 500, code, message, issues } = known;
  return {
    status,
    headers: mergeHeaders(
      [
        ['content-type', 'application/problem+json'],
        ['cache-control', 'no-store'],
        // The answer to a HEAD has no body that could tell it.
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
 * Anything thrown by user code as a refusal: with its own status where it has one from 400 to 599, else 500. Its message
 * goes out only from a LinefeedError or, below 500, where it says `expose: true`, because errors of other libraries have a status too
 * and tell in their message what is nobody's business. `failure`: what is said of everything else.
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

/** Whether an error asks to be tried again. A status alone does not: a source that failed may be a paid call. */
export function asksForRetry(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}

/**
 * The same, for errors that user code threw: `onError` is told of a failure here and nowhere else, and not of a refusal.
 * The message of a failure stays on the server, a LinefeedError's too.
 */
export function toReportedRefusal(error: unknown, onError: (error: unknown) => void): LinefeedError {
  const known = toRefusal(error);
  const { code, status = 500, retryable } = known;
  if (status < 500) return known;
  // `throw undefined` says nothing by itself.
  onError(error ?? known);
  if (known !== error) return known;
  return new LinefeedError(code, `Refused with status ${status}.`, { status, retryable, cause: error });
}
