/** The client's HTTP requests: URL, headers and body, and the meaning of a response's status. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  addQuery,
  CODE_HEADER,
  encodeEntry,
  invalidOption,
  isRetryableStatus,
  type Problem,
} from '@linefeed/shared/wire';
import { systemClock } from '../base/clock.ts';
import type { Ending, Opening, RequestOptions } from './transport.ts';

/**
 * The URL that opens a connection by GET. The query is built by hand: some `URLSearchParams` encode differently from a
 * browser.
 */
export function toOpeningUrl({ url, entries, cursor }: Opening): string {
  const list = entries.reduce((query, entry) => addQuery(query, 'topic', encodeEntry(entry)), url);
  return addQuery(list, 'last_event_id', cursor);
}

// An error page whose body does not arrive must not delay its status.
const EXCERPT_MS = 1_000;
const MAX_PROBLEM_LENGTH = 65_536;
// Longest wait computed from a `Retry-After` date without a `Date` header, which is hidden across origins.
const MAX_SKEWED_MS = 300_000;

/**
 * Returns a value if `fetch` accepts the URL. React Native has no `URL.canParse`, and its `URL` accepts any text, so the
 * scheme is checked as well.
 */
function toFetchable(url: string): object | undefined {
  try {
    return /^[a-z][a-z\d+.-]*:/i.test(url) ? new URL(url) : globalThis.location;
  } catch {
    return undefined;
  }
}

/**
 * Sends a request; `headers` is evaluated each time. A body is sent as text/plain: JSON would cost a CORS preflight.
 *
 * @throws LinefeedError `invalid_option` for a missing platform API, a malformed URL, or a relative URL without a page.
 *   It is final: a retry would fail again.
 */
export async function send(
  { url: base, headers, credentials, fetch = globalThis.fetch }: RequestOptions,
  url: string,
  body: object | undefined,
  signal: AbortSignal | null,
  method: string = body ? 'POST' : 'GET',
): Promise<Response> {
  const { Headers, TextDecoder } = globalThis;
  const missing = Object.entries({ fetch, Headers, TextDecoder }).flatMap(([name, part]) =>
    part ? [] : name,
  );
  if (missing[0]) {
    throw invalidOption(`There is no ${missing.join(', no ')} here: load a polyfill.`);
  }
  if (fetch === globalThis.fetch && !toFetchable(base)) {
    throw invalidOption(`url must be valid, without a page absolute: ${base}.`);
  }
  let sent: Headers;
  try {
    sent = new Headers(typeof headers === 'function' ? await headers() : headers);
  } catch (cause) {
    const message = `headers failed, trying again: ${String(cause)}`;
    throw new LinefeedError('invalid_option', message, { cause, retryable: true });
  }
  sent.set('accept', 'text/event-stream');
  // Called as a plain function: a browser's fetch throws for any other `this`.
  return fetch(url, {
    method,
    signal,
    headers: sent,
    cache: 'no-store',
    ...(body && { body: JSON.stringify(body) }),
    ...(credentials && { credentials }),
  });
}

/** Returns how a response that is not an event stream ends the attempt; `undefined` for an event stream. */
export async function toEnding(response: Response): Promise<Ending | undefined> {
  const { status, headers } = response;
  if (status === 204) return { over: true };
  if (status === 200 && /^text\/event-stream *(;|$)/i.test(headers.get('content-type')!)) return undefined;
  return { error: await toError(response), retryAfter: readRetryAfter(headers) };
}

/** Builds the error for a refused request, with the server's error code if there is one. */
export async function toError({ status, headers, url, body }: Response): Promise<LinefeedError> {
  const type = headers.get('content-type');
  const isProblem = /^application\/problem\+json\b/i.test(type!);
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  const stop = systemClock.after(EXCERPT_MS, cancel);
  const decoder = new TextDecoder();
  let text = '';
  let chunk;
  // Read one chunk: an error page may be long, endless, or cut off. Read a problem document completely, because half of
  // one has no code.
  do {
    chunk = (await reader?.read().catch(() => {}))?.value;
    text += decoder.decode(chunk, { stream: true });
  } while (isProblem && chunk && text.length < MAX_PROBLEM_LENGTH);
  stop();
  cancel();
  let problem: Partial<Problem> | null = null;
  try {
    if (isProblem) problem = JSON.parse(text) as Partial<Problem>;
  } catch {
    // Use the status only.
  }
  text = text.slice(0, 500);
  // A response to HEAD has no body.
  const code = headers.get(CODE_HEADER) ?? problem?.code;
  const isCode = typeof code === 'string';
  const isOk = status === 200;
  const told = `${url} answered ${status}`;
  const advice = isOk
    ? 'Is this the url of a feed?'
    : isRetryableStatus(status)
      ? 'Check the server or its proxy:'
      : 'Check url, headers and credentials:';
  return new LinefeedError(
    isCode ? (code as ErrorCode) : isOk ? 'wrong_content_type' : 'http_status',
    isCode
      ? `${problem?.title ?? 'The server refuses.'} (${told} ${code})`
      : `${advice} ${told} (${type}): ${text}`,
    { status, body: text, issues: problem?.issues },
  );
}

/** Returns seconds. A date is compared with the response's `Date` header: the local clock may be wrong by hours. */
function readRetryAfter(headers: Headers): string {
  const value = headers.get('retry-after') ?? '';
  // An absent header is 0.
  if (Number(value) >= 0) return value;
  const untilMs = Date.parse(value);
  const waitMs = untilMs - Date.parse(headers.get('date') ?? '');
  return String((isNaN(waitMs) ? Math.min(untilMs - systemClock.now(), MAX_SKEWED_MS) : waitMs) / 1_000);
}

export function networkError(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('network', message, { cause, retryable: true });
}

/** Converts what a request threw. */
export function toRequestError(cause: unknown): LinefeedError {
  if (LinefeedError.is(cause)) return cause;
  const message = `The request failed: ${String(cause)}. Check the server, and CORS.`;
  return networkError(message, cause);
}
