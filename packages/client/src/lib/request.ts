/** The requests of a client: how they are written, sent, and what a status means. */
import { LinefeedError } from '@linefeed/shared';
import type { Ending, Opening, RequestOptions } from './transport.ts';

/** The URL that opens a connection by GET. `from` and `key` belong to the `topic` before them. */
export function toOpeningUrl({ url, entries, cursor }: Opening): string {
  const query = entries.flatMap(({ address, ...rest }) => Object.entries({ topic: address, ...rest }));
  if (cursor) query.push(['last_event_id', cursor]);
  return `${url}${url.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`;
}

/** Sends a request with headers asked for afresh. A body travels as text/plain: JSON would cost a CORS preflight. */
export async function send(
  { headers, credentials, fetch = globalThis.fetch }: RequestOptions,
  url: string,
  body: object | undefined,
  signal: AbortSignal | null,
  method: string = body ? 'POST' : 'GET',
): Promise<Response> {
  const sent = new Headers(typeof headers === 'function' ? await headers() : headers);
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
  const chunk = await reader?.read().catch(() => undefined);
  reader?.cancel().catch(() => {});
  const text = new TextDecoder().decode(chunk?.value).slice(0, 500);
  return {
    error: new LinefeedError(
      isOk ? 'wrong_content_type' : 'http_status',
      `${url} answered ${status} (${type}): ${text}`,
      { status, body: text },
    ),
    retryAfter: headers.get('retry-after') ?? undefined,
  };
}

export function networkError(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('network', message, { cause, retryable: true });
}
