/** Adapter for fetch-style runtimes: `Request` in, `Response` out. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import { systemClock } from '../base/clock.ts';
import type { EventStreamContent } from '../event-stream/content.ts';
import { answerEventStream } from '../event-stream/event-stream.ts';
import { checkStreamOptions, type EventStreamOptions } from '../event-stream/options.ts';
import {
  mergeHeaders,
  type HttpResponse,
  type ConsumedBody,
  type HttpRequest,
  type StartTimer,
} from '../http/http.ts';
import type { Departure, ResponseSink, SinkListener } from '../http/response-sink.ts';

/** Bytes that a response body buffers before it counts as full. */
const HIGH_WATER_BYTES = 64 * 1024;

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
  const answer = answerEventStream(
    content,
    { method: request.method, header, gone: request.signal.aborted },
    options,
  );
  return toResponse(answer, request.signal);
}

export function toIncomingRequest(request: Request): HttpRequest {
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
export function toResponse(answer: HttpResponse, signal: AbortSignal | undefined): Response {
  const { status, body, departure } = answer;
  const headers = new Headers();
  for (const [name, value] of mergeHeaders(answer.headers)) headers.append(name, value);
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

class StreamSink implements ResponseSink {
  readonly readable: ReadableStream<Uint8Array>;
  /** Set by `end`. After the `Response` is made, nothing can end its connection. */
  departure: Departure | undefined;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #listener: SinkListener | undefined;
  #closed = false;
  /** The error with which the body ends once the written bytes are taken. */
  #error: Error | undefined;
  readonly #signal: AbortSignal | undefined;
  // End the body without an error: servers would log the error as their own, and no client is left to receive it.
  readonly #onAbort = (): void => this.#finish();

  constructor(signal: AbortSignal | undefined) {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () =>
          this.#error === undefined ? this.#listener?.onDrain() : this.#failWhenTaken(this.#error),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
    this.#signal = signal;
    if (signal?.aborted === true) this.#finish();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : HIGH_WATER_BYTES - (this.#controller.desiredSize ?? 0);
  }

  get roomBytes(): number {
    return this.#isOver ? 0 : Math.max(0, this.#controller.desiredSize ?? 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get #isOver(): boolean {
    return this.#closed || this.#error !== undefined;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#controller.enqueue(bytes);
  }

  end(last?: Uint8Array, departure?: Departure): void {
    if (this.#isOver) return;
    this.departure = departure;
    if (last !== undefined) this.write(last);
    this.#finish();
  }

  breakOff(error: Error): void {
    if (this.#isOver) return;
    this.#error = error;
    this.#failWhenTaken(error);
  }

  destroy(): void {
    this.#fail(new DOMException('The event stream was cut.', 'AbortError'));
  }

  listen(listener: SinkListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  /** An error drops the bytes that were not taken. */
  #failWhenTaken(error: Error): void {
    if (this.bufferedBytes > 0) return;
    // A server destroys its response with the error. It gets a turn first, to write the last bytes.
    systemClock.defer(() => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#controller.error(error);
    this.#close();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#controller.close();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#listener?.onClose();
  }
}

const BODY_IS_GONE: ConsumedBody = {
  remedy:
    'Call feed.handle with a request whose body is unread, or make one of the text: new Request(request, { body: text }).',
};

/** The body of a request. It can first be read as text; the rest of it is then discarded. */
class RequestBody {
  readonly #request: Request;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #isWhole = false;

  constructor(request: Request) {
    this.#request = request;
  }

  async text(maxBytes: number): Promise<string | ConsumedBody> {
    const { body, bodyUsed } = this.#request;
    if (bodyUsed || body?.locked === true) return BODY_IS_GONE;
    if (body === null) return '';
    const decoder = new TextDecoder();
    let text = '';
    await this.#readUpTo(maxBytes, body, (bytes) => (text += decoder.decode(bytes, { stream: true })));
    if (this.#isWhole) return text + decoder.decode();
    throw refusal('payload_too_large', `The body has more than ${maxBytes} bytes.`);
  }

  /** Reads the rest before it cancels. Some runtimes cut the socket on an early cancel, and the response is lost. */
  async discard(maxBytes: number, startTimer: StartTimer): Promise<void> {
    const { body } = this.#request;
    // A locked body has another reader, which keeps reading it.
    if (body === null || this.#isWhole || (this.#reader === undefined && body.locked)) return;
    const cancel = (): void => void this.#reader?.cancel().catch(() => undefined);
    const timer = startTimer(cancel);
    try {
      await this.#readUpTo(maxBytes, body, () => undefined);
      if (!this.#isWhole) cancel();
    } catch {
      // The client disconnected.
    } finally {
      timer.clear();
    }
  }

  async #readUpTo(
    maxBytes: number,
    body: ReadableStream<Uint8Array>,
    take: (bytes: Uint8Array) => void,
  ): Promise<void> {
    this.#reader ??= body.getReader();
    for (let bytes = 0; ;) {
      const { done, value } = await this.#reader.read();
      if (done) {
        this.#isWhole = true;
        return;
      }
      bytes += value.byteLength;
      if (bytes > maxBytes) return;
      take(value);
    }
  }
}
