/** Adapter for Node's http and http2 servers, and for every framework that exposes their requests and responses. */
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { checkOptions, invalidOption } from '@linefeed/shared/wire';
import { ignore } from '../../base/promise.ts';
import type { EventStreamContent } from '../../event-stream/content.ts';
import { answerEventStream } from '../../event-stream/event-stream.ts';
import { checkStreamOptions, type EventStreamOptions } from '../../event-stream/options.ts';
import {
  isRequestTarget,
  respond,
  joinVary,
  notFound,
  toProblem,
  type HttpResponse,
  type RequestTarget,
} from '../../http/http.ts';
import type { Departure, ResponseSink, SinkListener } from '../../http/response-sink.ts';
import { breakOff, cut } from './break-off.ts';
import { readHeader, toIncomingRequest, type NodeRequest, type NodeResponse } from './node-request.ts';
import { endConnectionAfter, rawSocketOf, turnNow, writeRaw } from './raw-writes.ts';

export type { NodeRequest, NodeResponse };

/**
 * A request listener. With a third argument it is Connect-style middleware: it calls `next` for requests outside its
 * path.
 */
export type NodeHandler = (req: NodeRequest, res: NodeResponse, next?: (error?: unknown) => void) => void;

/** The options of `toNodeHandler`. */
export interface NodeOptions {
  /**
   * Whether chunks are written directly to the socket, bypassing `ServerResponse`. This halves the CPU time of the
   * process for an event. It applies only to HTTP/1.1. It never applies if `write` or `end` of the response are not
   * Node's own (compressing middleware, instrumentation). Set it to `false` if other code observes the response in
   * other ways. The bytes on the wire are the same.
   *
   * @default true
   */
  readonly rawWrites?: boolean | undefined;
}

/**
 * Serves a feed, or a stream with its own endpoint, on `node:http`, `node:http2` or as Connect-style middleware.
 *
 * @example
 *   import { toNodeHandler } from '@linefeed/server/node';
 *   import { createServer } from 'node:http';
 *
 *   createServer(toNodeHandler(feed)).listen(4600);
 *
 * @param target A feed, a result of `defineStream`, or a result of `fromRouter`
 * @param options How chunks are written
 * @returns A request listener
 * @throws LinefeedError `invalid_option` for anything else, and for an unknown option
 */
export function toNodeHandler(target: RequestTarget, options: NodeOptions = {}): NodeHandler {
  if (!isRequestTarget(target)) {
    throw invalidOption('toNodeHandler takes a feed, or what defineStream returns.');
  }
  checkOptions('toNodeHandler', options, { rawWrites: 'boolean' });
  const { rawWrites = true } = options;
  return (req, res, next) => {
    // Listen before the first await, so that a client that disconnects during the decision is noticed.
    const sink = new NodeSink(res, rawWrites);
    answerNode(target, req, sink, next).catch((error: unknown) => {
      if (next !== undefined) next(error);
      else if (res.headersSent) res.destroy();
      else sendAnswer(toProblem(error), res, sink);
    });
  };
}

/**
 * Responds to a request with an event stream, on Node's http and http2 servers and every framework on them. Headers
 * already set on the response are kept. The head and an opening comment are sent immediately. A source that fails after
 * that breaks the connection, or ends it as the option `failure` states.
 *
 * @example
 *   import { sendEventStream } from '@linefeed/server/node';
 *   import { createServer } from 'node:http';
 *
 *   createServer((req, res) => sendEventStream(req, res, [{ n: 1 }, { n: 2 }])).listen(4600);
 *
 * @param req Node's request, or a framework's
 * @param res Its response
 * @param content Text, bytes, an iterable, an iterator, a ReadableStream, or a function that returns one of these
 * @param options As `eventStream`, and how chunks are written
 * @throws LinefeedError `invalid_content`, `invalid_option`, `invalid_frame` for content that could never be sent.
 */
export function sendEventStream<T = unknown>(
  req: NodeRequest,
  res: NodeResponse,
  content: EventStreamContent<T>,
  options: EventStreamOptions & NodeOptions = {},
): void {
  if (typeof req?.headers !== 'object' || typeof res?.writeHead !== 'function') {
    throw invalidOption("sendEventStream takes Node's request and response, and the content.");
  }
  checkStreamOptions(options);
  const sink = new NodeSink(res, options.rawWrites ?? true);
  const header = (name: string): string | undefined => readHeader(req, name);
  const answer = answerEventStream(
    content,
    {
      method: req.method ?? 'GET',
      header,
      gone: sink.closed,
      headSent: res.headersSent && !sink.closed,
    },
    options,
  );
  try {
    sendAnswer(answer, res, sink);
  } catch (error) {
    answer.abandon?.(error);
    throw error;
  }
}

async function answerNode(
  target: RequestTarget,
  req: NodeRequest,
  sink: NodeSink,
  next: ((error?: unknown) => void) | undefined,
): Promise<void> {
  const answer =
    (await respond(target, toIncomingRequest(req, sink.res, req.url ?? '/'))) ??
    (req.originalUrl === undefined || req.originalUrl === req.url
      ? undefined
      : await respond(target, toIncomingRequest(req, sink.res, req.originalUrl)));
  if (answer !== undefined) sendAnswer(answer, sink.res, sink);
  else if (next !== undefined) next();
  else sendAnswer(notFound(req.url ?? '/'), sink.res, sink);
}

/** The members that both kinds of response have. */
type Head = Pick<
  ServerResponse,
  'setHeader' | 'appendHeader' | 'getHeader' | 'removeHeader' | 'end' | 'flushHeaders' | 'statusCode'
>;

/**
 * Keeps headers already set on the response. Ours replace those of the same name; `set-cookie` and `vary` accumulate.
 */
function sendAnswer(answer: HttpResponse, response: NodeResponse, sink: NodeSink): void {
  const res = response as Head;
  if (sink.closed) {
    if (typeof answer.body === 'function') answer.body(sink);
    return;
  }
  res.statusCode = answer.status;
  for (const [name, value] of answer.headers) {
    if (name === 'set-cookie') res.appendHeader(name, value);
    else if (name === 'vary') res.setHeader(name, joinVary(res.getHeader(name)?.toString(), value));
    else res.setHeader(name, value);
  }
  if (answer.departure !== undefined) sink.depart(answer.departure);
  if (typeof answer.body === 'function') {
    // Middleware may have set a length for the response that it expected.
    res.removeHeader('content-length');
    // The first bytes leave together with the head: one packet, one system call.
    answer.body(sink);
    if (!response.headersSent) res.flushHeaders();
    sink.headSent();
  } else res.end(answer.body);
}

/** The members of a response that the sink uses. The compatibility layer of http2 has some of them on the stream. */
interface Writable {
  write(bytes: Uint8Array): boolean;
  end(): void;
  readonly writableLength?: number;
  readonly writableHighWaterMark?: number;
  readonly writableEnded?: boolean;
  readonly stream?: {
    readonly writableLength: number;
    readonly writableHighWaterMark: number;
    readonly destroyed: boolean;
  };
  /** Added by compressing middleware, which buffers bytes until a flush. */
  flush?(): void;
}

/** Used for a response without `writableHighWaterMark`. */
const HIGH_WATER_BYTES = 16 * 1024;

class NodeSink implements ResponseSink {
  readonly res: NodeResponse;
  readonly #writable: Writable;
  #listener: SinkListener | undefined;
  #closed = false;
  #ended = false;
  /**
   * Set when `write` returned false, until 'drain'. Compressing middleware has its own buffer, which no property
   * shows.
   */
  #full = false;
  /** Whether writes may still start to bypass the response. */
  #mayBypass: boolean;
  #socket: Socket | undefined;
  /** The turn of the last raw write. */
  #wroteIn = -1;
  /** The emitter with our 'drain' listener. */
  #draining: EventEmitter | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(res: NodeResponse, rawWrites: boolean) {
    this.res = res;
    this.#writable = res;
    // HTTP/2 responses have streams instead of sockets.
    this.#mayBypass = rawWrites && !('stream' in res);
    // 'close' of the response: a request already closes when its body has been read.
    res.on('close', () => this.#close());
    // Some versions emit an error for a reset; 'close' follows.
    res.on('error', ignore);
    const { stream, writableEnded } = this.#writable;
    if (res.destroyed || writableEnded === true || (stream ?? res.socket)?.destroyed === true)
      this.#closed = true;
  }

  get bufferedBytes(): number {
    return this.#buffer.writableLength ?? 0;
  }

  get roomBytes(): number {
    if (this.#closed || this.#ended || this.#full) return 0;
    const { writableHighWaterMark = HIGH_WATER_BYTES, writableLength = 0 } = this.#buffer;
    // At least 1: the sink is full only if `write` returned false.
    return Math.max(1, writableHighWaterMark - writableLength);
  }

  /** The object that holds the bytes not yet sent. */
  get #buffer(): Pick<Writable, 'writableLength' | 'writableHighWaterMark'> {
    return this.#socket ?? this.#writable.stream ?? this.#writable;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(bytes: Uint8Array): void {
    // An empty chunk would end the body.
    if (this.#closed || this.#ended || bytes.byteLength === 0) return;
    // Other code has ended the response, and `close` follows. A write now would precede the next response on the
    // socket.
    if (this.#writable.writableEnded === true) return;
    if (this.#mayBypass) this.#tryBypass();
    const socket = this.#socket;
    if (socket !== undefined) {
      // Node ends the socket when the client closes its half. `close` follows, and a write would be a server error.
      if (socket.writableEnded) return;
      if (!writeRaw(socket, bytes, this.#wroteIn) && !this.#full) this.#waitForDrain(socket);
      this.#wroteIn = turnNow();
      return;
    }
    if (!this.#writable.write(bytes) && !this.#full) this.#waitForDrain(this.res);
    this.#writable.flush?.();
  }

  end(last?: Uint8Array, departure?: Departure): void {
    if (this.#closed || this.#ended) return;
    if (departure !== undefined) this.depart(departure);
    // Send the last bytes and the chunk that ends the body together: one system call.
    const socket = last === undefined ? undefined : this.#socket;
    socket?.cork();
    if (last !== undefined) this.write(last);
    this.#ended = true;
    this.#writable.end();
    socket?.uncork();
  }

  /** Ends the connection after the response. Over HTTP/2, `closing` ends the session after its open streams (GOAWAY). */
  depart(departure: Departure): void {
    const { res } = this;
    if ('createPushResponse' in res) {
      if (departure === 'closing') res.stream?.session?.close();
      return;
    }
    // If the body is still arriving, ending the socket now would reset it, and the client might not get the answer.
    if (res.req?.complete !== false) endConnectionAfter(res);
  }

  breakOff(): void {
    if (this.#closed || this.#ended) return;
    this.#ended = true;
    breakOff(this.res);
  }

  destroy(): void {
    this.#ended = true;
    cut(this.res);
  }

  listen(listener: SinkListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  /**
   * Tries the bypass as soon as the head is sent. Its check frees memory of the head, which an idle connection would
   * keep.
   */
  headSent(): void {
    if (this.#mayBypass && !this.#ended) this.#tryBypass();
  }

  #tryBypass(): void {
    const socket = rawSocketOf(this.res as ServerResponse);
    if (socket === 'later') return;
    this.#mayBypass = false;
    // Never bypass a full response: it drains by itself, and writes to the socket would then wait for two drains.
    if (socket !== 'never' && !this.#full) this.#socket = socket;
  }

  #waitForDrain(full: EventEmitter): void {
    this.#full = true;
    if (this.#draining === full) return;
    this.#stopWaiting?.();
    this.#draining = full;
    const onDrain = (): void => {
      this.#full = false;
      this.#listener?.onDrain();
    };
    // With `once` for each wait, listeners would accumulate: compressing middleware attaches them to its own stream
    // and never removes them.
    full.on('drain', onDrain);
    // The socket outlives the response, so its listener must be removed.
    this.#stopWaiting = () => full.off('drain', onDrain);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWaiting?.();
    this.#socket = undefined;
    this.#listener?.onClose();
  }
}
