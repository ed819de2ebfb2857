/** The requests of a client: how they are written, sent, and what a status means. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  CODE_HEADER,
  encodeEntry,
  invalidOption,
  isRetryableStatus,
  type Problem,
} from '@linefeed/shared/wire';
import { systemClock } from './clock.ts';
import type { Ending, Opening, RequestOptions } from './transport.ts';

/** The URL that opens a connection by GET. By hand: not every `URLSearchParams` writes what a browser's does. */
export function toOpeningUrl({ url, entries, cursor }: Opening): string {
  const query = entries.map((entry) => `topic=${encodeURIComponent(encodeEntry(entry))}`);
  if (cursor) query.push(`last_event_id=${encodeURIComponent(cursor)}`);
  return `${url}${url.includes('?') ? '&' : '?'}${query.join('&')}`;
}

// An error page that does not come must not keep its status from us.
const EXCERPT_MS = 1_000;
const MAX_PROBLEM_LENGTH = 2 ** 16;
// A date is all that is known: another origin does not show the clock of its answer.
const MAX_SKEWED_MS = 300_000;

/** @throws LinefeedError `invalid_option` naming what this platform lacks: asked again, it lacks it still. */
export function needs(parts: Readonly<Record<string, unknown>>): void {
  const missing = Object.keys(parts).filter((name) => !parts[name]);
  if (missing.length === 0) return;
  const message = `There is no ${missing.join(', no ')} here: load a polyfill${parts['fetch'] ? '' : ', or give fetch as an option'}.`;
  throw invalidOption(message);
}

/** Not by `URL.canParse`, and not by `URL` alone: that of React Native lacks the one, and takes any text. */
function isAbsolute(url: string): boolean {
  try {
    return new URL(url).href !== '' && /^[a-z][a-z\d+.-]*:/i.test(url);
  } catch {
    return false;
  }
}

/** Sends a request with headers asked for afresh. A body travels as text/plain: JSON would cost a CORS preflight. */
export async function send(
  { url: base, headers, credentials, fetch = globalThis.fetch }: RequestOptions,
  url: string,
  body: object | undefined,
  signal: AbortSignal | null,
  method: string = body ? 'POST' : 'GET',
): Promise<Response> {
  needs({ fetch, Headers: globalThis.Headers });
  if (fetch === globalThis.fetch && !globalThis.location && !isAbsolute(base)) {
    const message = `${base} is relative, and here is no page: give an absolute url.`;
    throw invalidOption(message);
  }
  let sent: Headers;
  try {
    sent = new Headers(typeof headers === 'function' ? await headers() : headers);
  } catch (cause) {
    const message = `The headers failed, and are asked for again: ${String(cause)}`;
    throw new LinefeedError('invalid_option', message, { cause, retryable: true });
  }
  sent.set('accept', 'text/event-stream');
  // Called bare: a browser's fetch refuses any other `this`.
  return fetch(url, {
    method,
    signal,
    headers: sent,
    cache: 'no-store',
    ...(body && { body: JSON.stringify(body) }),
    ...(credentials && { credentials }),
  });
}

/** What a response that is no event stream means. `undefined`: it is one. */
export async function toEnding(response: Response): Promise<Ending | undefined> {
  const { status, headers } = response;
  if (status === 204) return { over: true };
  if (status === 200 && /^text\/event-stream *(;|$)/i.test(headers.get('content-type') ?? ''))
    return undefined;
  return { error: await toError(response), retryAfter: readRetryAfter(headers) };
}

/** What a response says of its refusal: by the code of the server, where it gives one. */
export async function toError({ status, headers, url, body }: Response): Promise<LinefeedError> {
  const type = headers.get('content-type');
  const isProblem = /^application\/problem\+json\b/i.test(type ?? '');
  const reader = body?.getReader();
  const stop = systemClock.after(EXCERPT_MS, () => void reader?.cancel().catch(() => {}));
  const decoder = new TextDecoder();
  let text = '';
  let chunk;
  // One chunk: an error page may be long, may never end, and may break off without taking its status back. A problem
  // document is read whole, because half of one has no code.
  do {
    chunk = await reader?.read().catch(() => undefined);
    text += decoder.decode(chunk?.value, { stream: true });
  } while (isProblem && chunk?.value && text.length < MAX_PROBLEM_LENGTH);
  stop();
  reader?.cancel().catch(() => {});
  let problem: Partial<Problem> | null = null;
  try {
    if (isProblem) problem = JSON.parse(text) as Partial<Problem>;
  } catch {
    // The status is left.
  }
  text = text.slice(0, 500);
  // The answer to HEAD has no body.
  const code = headers.get(CODE_HEADER) ?? problem?.code;
  const told = `${url} answered ${status}`;
  if (typeof code === 'string') {
    const message = `${problem?.title ?? 'The server refuses.'} (${told} ${code})`;
    return new LinefeedError(code as ErrorCode, message, { status, body: text, issues: problem?.issues });
  }
  const isOk = status === 200;
  const advice = isOk
    ? 'Is this the url of a feed?'
    : isRetryableStatus(status)
      ? 'Look at the server, or what stands before it:'
      : 'Look at url, headers and credentials:';
  return new LinefeedError(
    isOk ? 'wrong_content_type' : 'http_status',
    `${advice} ${told} (${type}): ${text}`,
    { status, body: text },
  );
}

/** In seconds. A date is compared with the clock of the answer: the one of this machine may be hours wrong. */
function readRetryAfter(headers: Headers): string | undefined {
  const value = headers.get('retry-after');
  if (!value || Number(value) >= 0) return value ?? undefined;
  const untilMs = Date.parse(value);
  const waitMs = untilMs - Date.parse(headers.get('date') ?? '');
  return String((isNaN(waitMs) ? Math.min(untilMs - systemClock.now(), MAX_SKEWED_MS) : waitMs) / 1_000);
}

export function networkError(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('network', message, { cause, retryable: true });
}

/** What a request threw. */
export function toRequestError(cause: unknown): LinefeedError {
  if (LinefeedError.is(cause)) return cause;
  const message = `The request failed: ${String(cause)}. Is the server up, and may this origin ask it?`;
  return networkError(message, cause);
}
