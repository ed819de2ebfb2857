/** The requests of a client: how they are written, sent, and what a status means. */
import { LinefeedError } from '@linefeed/shared';
import type { Ending, Opening, RequestOptions } from './transport.ts';

/** The URL that opens a connection by GET. `from` and `key` belong to the `topic` before them. */
export function toOpeningUrl({ url, entries, cursor }: Opening): string {
  const pairs: string[] = [];
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined) pairs.push(`${name}=${encodeURIComponent(value)}`);
  };
  for (const { address, from, key } of entries) {
    add('topic', address);
    add('from', from);
    add('key', key);
  }
  add('last_event_id', cursor);
  return `${url}${url.includes('?') ? '&' : '?'}${pairs.join('&')}`;
}

/** Sends a request with headers asked for afresh. A body travels as text/plain: JSON would cost a CORS preflight. */
export async function send(
  { headers, credentials, fetch = globalThis.fetch }: RequestOptions,
  url: string,
  init: RequestInit,
): Promise<Response> {
  const sent = new Headers(typeof headers === 'function' ? await headers() : headers);
  sent.set('accept', 'text/event-stream');
  // Called bare: a browser's fetch refuses any other `this`.
  return fetch(url, {
    ...init,
    headers: sent,
    cache: 'no-store',
    ...(credentials && { credentials }),
  });
}

/** What a response that is no event stream means. `undefined`: it is one. */
export async function toEnding(response: Response, nowMs: number): Promise<Ending | undefined> {
  const { status, headers } = response;
  if (status === 204) return { over: true };
  if (status === 200) {
    const type = headers.get('content-type');
    if (/^text\/event-stream *(;|$)/i.test(type ?? '')) return undefined;
    return {
      error: new LinefeedError(
        'wrong_content_type',
        `${response.url} answered with content-type ${type}, not text/event-stream; check the url of createClient.`,
        { status, body: await excerpt(response) },
      ),
    };
  }
  const after = headers.get('retry-after');
  const body = await excerpt(response);
  return {
    error: new LinefeedError('http_status', `${response.url} answered ${status}: ${body}`, { status, body }),
    // RFC 9110 §10.2.3: seconds, or a date.
    retryAfterMs: after === null ? undefined : Number(after) * 1_000 || Date.parse(after) - nowMs || 0,
  };
}

export function networkError(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('network', message, { cause, retryable: true });
}

// One chunk: an error page may be long, and may never end.
async function excerpt({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  const chunk = await reader?.read();
  void reader?.cancel();
  return new TextDecoder().decode(chunk?.value).slice(0, 500);
}
