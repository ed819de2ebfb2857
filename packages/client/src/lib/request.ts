/** The requests of a client: how they are written, sent, and what a status means. */
import { LinefeedError } from '@linefeed/shared';
import type { Ending, Opening, RequestOptions } from './transport.ts';

/** The URL that opens a connection by GET. `from` and `key` belong to the `topic` before them. */
export function toOpeningUrl({ url, entries, cursor }: Opening): string {
  const query = new URLSearchParams();
  for (const { address, ...rest } of entries) {
    query.append('topic', address);
    for (const [name, value] of Object.entries(rest)) query.append(name, value);
  }
  if (cursor) query.append('last_event_id', cursor);
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
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
export async function toEnding(response: Response): Promise<Ending | undefined> {
  const { status, headers, url } = response;
  const type = headers.get('content-type');
  if (status === 204) return { over: true };
  if (status === 200 && /^text\/event-stream *(;|$)/i.test(type ?? '')) return undefined;
  const code = status === 200 ? 'wrong_content_type' : 'http_status';
  const body = await excerpt(response);
  return {
    error: new LinefeedError(code, `${url} answered ${status} (${type}): ${body}`, { status, body }),
    retryAfter: headers.get('retry-after') ?? undefined,
  };
}

export function networkError(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('network', message, { cause, retryable: true });
}

// One chunk: an error page may be long, may never end, and may break off without taking its status back.
async function excerpt({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  const chunk = await reader?.read().catch(() => undefined);
  reader?.cancel().catch(() => {});
  return new TextDecoder().decode(chunk?.value).slice(0, 500);
}
