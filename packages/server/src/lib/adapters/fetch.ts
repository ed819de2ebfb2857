/** Adapter for fetch-style runtimes: `Request` in, `Response` out. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { EventStreamContent } from '../event-stream/content.ts';
import { toEventStreamResponse } from '../event-stream/event-stream.ts';
import { checkStreamOptions, type EventStreamOptions } from '../event-stream/options.ts';
import { mergeHeaders, type HttpRequest, type HttpResponse } from '../http/http.ts';
import { RequestBody } from './fetch-body.ts';
import { StreamSink } from './fetch-sink.ts';

/** The options of `eventStream`. */
export interface FetchEventStreamOptions extends EventStreamOptions {
  /** The request to respond to. Its method, `Accept`, `Last-Event-ID` and abort signal are read. */
  readonly request: Request;
}

/**
 * Responds to a request of a fetch-style runtime with an event stream. The head and an opening comment are sent
 * immediately, however long the content takes to yield. A source that fails after that makes the body fail, or ends it
 * as the option `failure` states.
 *
 * @example
 *   import { eventStream } from '@linefeed/server';
 *
 *   export function GET(request: Request): Response {
 *     return eventStream(
 *       async function* ({ signal }) {
 *         for (let n = 1; !signal.aborted && n <= 3; n += 1) yield { n };
 *       },
 *       { request },
 *     );
 *   }
 *
 * @param content Text, bytes, an iterable, an iterator, a ReadableStream, or a function that returns one of these
 * @param options `request` is required
 * @returns 406 if the `Accept` header gives an event stream the quality 0, 500 if a function given as content throws.
 * @throws LinefeedError `invalid_content`, `invalid_option`, `invalid_frame` for content that could never be sent.
 */
export function eventStream<T = unknown>(
  content: EventStreamContent<T>,
  options: FetchEventStreamOptions,
): Response {
  const request = (options as Partial<FetchEventStreamOptions> | null | undefined)?.request;
  if (typeof request?.headers?.get !== 'function') {
    throw new LinefeedError(
      'invalid_option',
      'eventStream needs the request that it answers: eventStream(content, { request }).',
    );
  }
  checkStreamOptions(options);
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
  const response = toEventStreamResponse(
    content,
    { method: request.method, header, gone: request.signal.aborted },
    options,
  );
  return toResponse(response, request.signal);
}

export function toHttpRequest(request: Request): HttpRequest {
  const url = new URL(request.url);
  const body = new RequestBody(request);
  return {
    method: request.method,
    url,
    header: (name) => request.headers.get(name) ?? undefined,
    text: (maxBytes) => body.text(maxBytes),
    discard: (maxBytes, startTimer) => void body.discard(maxBytes, startTimer),
    toRequest: () =>
      request.body === null
        ? request
        : new Request(request.url, { method: request.method, headers: request.headers }),
  };
}

/** Some runtimes do not cancel the body when the client disconnects. There, `signal` aborts instead. */
export function toResponse(response: HttpResponse, signal: AbortSignal | undefined): Response {
  const { status, body, departure } = response;
  const headers = new Headers();
  for (const [name, value] of mergeHeaders(response.headers)) headers.append(name, value);
  if (departure !== undefined) endConnection(headers);
  if (typeof body !== 'function')
    return new Response(status === 204 ? null : (body ?? null), { status, headers });
  const sink = new StreamSink(signal);
  body(sink);
  if (sink.departure !== undefined) endConnection(headers);
  return new Response(sink.readable, { status, headers });
}

/** Servers of HTTP/1.1 end the connection after this response. Servers of HTTP/2 drop the header. */
function endConnection(headers: Headers): void {
  headers.set('connection', 'close');
}
