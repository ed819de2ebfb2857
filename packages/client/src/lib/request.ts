/** The requests of a client: how they are written, sent, and what a status means. */
import { LinefeedError } from '@linefeed/shared';
import { encodeEntry, isRetryableStatus } from '@linefeed/shared/wire';
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

/** @throws LinefeedError `invalid_option` naming what this platform lacks: asked again, it lacks it still. */
export function needs(parts: Readonly<Record<string, unknown>>): void {
  const missing = Object.keys(parts).filter((name) => !parts[name]);
  if (missing.length === 0) return;
  const message = `There is no ${missing.join(', no ')} here: load a polyfill${parts['fetch'] ? '' : ', or give fetch as an option'}.`;
  throw new LinefeedError('invalid_option', message);
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
    const message = `There is no page here that ${base} is relative to: give an absolute url.`;
    throw new LinefeedError('invalid_option', message);
  }
  let sent: Headers;
  try {
    sent = new Headers(typeof headers === 'function' ? await headers() : headers);
  } catch (cause) {
    const message = `The headers could not be had, and are asked for again: ${String(cause)}`;
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
export async function toEnding({ status, headers, url, body }: Response): Promise<Ending | undefined> {
  const type = headers.get('content-type');
  if (status === 204) return { over: true };
  const isOk = status === 200;
  if (isOk && /^text\/event-stream *(;|$)/i.test(type ?? '')) return undefined;
  // One chunk: an error page may be long, may never end, and may break off without taking its status back.
  const reader = body?.getReader();
  const stop = systemClock.after(EXCERPT_MS, () => void reader?.cancel().catch(() => {}));
  const chunk = await reader?.read().catch(() => undefined);
  stop();
  reader?.cancel().catch(() => {});
  const text = new TextDecoder().decode(chunk?.value).slice(0, 500);
  const advice = isOk
    ? 'Is this the url of a feed?'
    : isRetryableStatus(status)
      ? 'Look at the server, or what stands before it:'
      : 'Look at url, headers and credentials:';
  return {
    error: new LinefeedError(
      isOk ? 'wrong_content_type' : 'http_status',
      `${advice} ${url} answered ${status} (${type}): ${text}`,
      { status, body: text },
    ),
    retryAfter: headers.get('retry-after') ?? undefined,
  };
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
