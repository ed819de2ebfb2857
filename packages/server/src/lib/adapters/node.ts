/** Node's http and http2 servers, and every framework that hands out their requests and responses. */
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { checkOptions, invalidOption, refusal } from '@linefeed/shared/wire';
import type { EventStreamContent } from '../content.ts';
import { answerEventStream } from '../event-stream.ts';
import { checkStreamOptions, type EventStreamOptions } from '../event-stream-options.ts';
import { joinVary, toProblem, type Answer, type Answerer } from '../exchange.ts';
import type { Outlet, OutletListener } from '../outlet.ts';
import { readHeader, toIncomingRequest, type NodeRequest, type NodeResponse } from './node-request.ts';
import { rawSocketOf, turnNow, writeRaw } from './raw-writes.ts';

export type { NodeRequest, NodeResponse };

/** A request listener; with a third argument, Connect-style middleware that passes on what is not under its path. */
export type NodeHandler = (req: NodeRequest, res: NodeResponse, next?: (error?: unknown) => void) => void;

export interface NodeOptions {
  /**
   * Whether chunks go straight to the socket, past `ServerResponse`, which halves what the process spends on an event.
   * Done only on HTTP/1.1, and never where `write` or `end` of the response are not Node's own (compressing middleware,
   * instruments). `false` for what watches a response in other ways; the bytes on the wire are the same. Default true.
   */
  readonly rawWrites?: boolean | undefined;
}

/** Serves a feed, or a stream that is an endpoint of its own, on `node:http`, `node:http2` or as Connect-style middleware. */
export function toNodeHandler(answerer: Answerer, options: NodeOptions = {}): NodeHandler {
  if (typeof (answerer as Partial<Answerer> | null | undefined)?.['~answer'] !== 'function') {
    throw invalidOption('toNodeHandler takes a feed, or what defineStream returns.');
  }
  checkOptions('toNodeHandler', options, { rawWrites: 'boolean' });
  const { rawWrites = true } = options;
  return (req, res, next) => {
    // Before anything is awaited: a client that leaves while it is being decided on must be noticed.
    const outlet = new NodeOutlet(res, rawWrites);
    answerNode(answerer, req, outlet, next).catch((error: unknown) => {
      if (next !== undefined) next(error);
      else if (res.headersSent) res.destroy();
      else sendAnswer(toProblem(error), res, outlet);
    });
  };
}

/**
 * Answers a request with an event stream, on Node's http and http2 servers and every framework on them. Headers that
 * are on the response stay; the head and an opening comment leave at once; errors that come later are frames.
 *
 * @throws LinefeedError `invalid_content`, `invalid_option`, `invalid_frame` for what could never be sent.
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
  const outlet = new NodeOutlet(res, options.rawWrites ?? true);
  const header = (name: string): string | undefined => readHeader(req, name);
  const answer = answerEventStream(
    content,
    {
      method: req.method ?? 'GET',
      header,
      gone: outlet.closed,
      headSent: res.headersSent && !outlet.closed,
    },
    options,
  );
  try {
    sendAnswer(answer, res, outlet);
  } catch (error) {
    answer.abandon?.(error);
    throw error;
  }
}

async function answerNode(
  answerer: Answerer,
  req: NodeRequest,
  outlet: NodeOutlet,
  next: ((error?: unknown) => void) | undefined,
): Promise<void> {
  const answer =
    (await answerer['~answer'](toIncomingRequest(req, outlet.res, req.url ?? '/'))) ??
    (req.originalUrl === undefined || req.originalUrl === req.url
      ? undefined
      : await answerer['~answer'](toIncomingRequest(req, outlet.res, req.originalUrl)));
  if (answer !== undefined) sendAnswer(answer, outlet.res, outlet);
  else if (next !== undefined) next();
  else
    sendAnswer(toProblem(refusal('not_found', `There is nothing at ${req.url ?? '/'}.`)), outlet.res, outlet);
}

/** The parts that both kinds of response have. */
type Head = Pick<
  ServerResponse,
  'setHeader' | 'appendHeader' | 'getHeader' | 'removeHeader' | 'end' | 'flushHeaders' | 'statusCode'
>;

/** Headers that are already on the response stay; ours win by name; `set-cookie` and `vary` accumulate. */
function sendAnswer(answer: Answer, response: NodeResponse, outlet: NodeOutlet): void {
  const res = response as Head;
  if (outlet.closed) {
    if (typeof answer.body === 'function') answer.body(outlet);
    return;
  }
  res.statusCode = answer.status;
  for (const [name, value] of answer.headers) {
    if (name === 'set-cookie') res.appendHeader(name, value);
    else if (name === 'vary') res.setHeader(name, joinVary(res.getHeader(name)?.toString(), value));
    else res.setHeader(name, value);
  }
  if (typeof answer.body === 'function') {
    // Middleware may have set one for the answer it expected.
    res.removeHeader('content-length');
    // Its first bytes take the head with them: one packet, one system call.
    answer.body(outlet);
    if (!response.headersSent) res.flushHeaders();
    outlet.headSent();
  } else res.end(answer.body);
}

/** What a response is to its writer; http2's compatibility layer keeps some of it on the stream. */
interface Writable {
  write(bytes: Uint8Array): boolean;
  end(): void;
  destroy(): void;
  readonly writableLength?: number;
  readonly writableHighWaterMark?: number;
  readonly writableEnded?: boolean;
  readonly stream?: {
    readonly writableLength: number;
    readonly writableHighWaterMark: number;
    readonly destroyed: boolean;
  };
  /** Added by compressing middleware, which holds back what is not flushed. */
  flush?(): void;
}

/** Of a response that does not tell. */
const HIGH_WATER_BYTES = 16 * 1024;

class NodeOutlet implements Outlet {
  readonly res: NodeResponse;
  readonly #writable: Writable;
  #listener: OutletListener | undefined;
  #closed = false;
  #ended = false;
  /** What `write` returned: middleware that compresses has a buffer of its own, which no property tells of. */
  #full = false;
  /** Whether the response may still be found fit to be bypassed. */
  #mayBypass: boolean;
  #socket: Socket | undefined;
  /** The turn of the last raw write. */
  #wroteIn = -1;
  /** Whose drains are heard. */
  #draining: EventEmitter | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(res: NodeResponse, rawWrites: boolean) {
    this.res = res;
    this.#writable = res;
    // http2's responses have streams, not sockets.
    this.#mayBypass = rawWrites && !('stream' in res);
    // The response, not the request: a request closes as soon as its body was read.
    res.on('close', () => this.#close());
    // A reset arrives as an error on some versions; 'close' follows.
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
    // Only what `write` returns says that it is full.
    return Math.max(1, writableHighWaterMark - writableLength);
  }

  /** What holds the bytes that wait. */
  get #buffer(): Pick<Writable, 'writableLength' | 'writableHighWaterMark'> {
    return this.#socket ?? this.#writable.stream ?? this.#writable;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(bytes: Uint8Array): void {
    // A chunk of no bytes would end the body.
    if (this.#closed || this.#ended || bytes.byteLength === 0) return;
    // Somebody else has ended it, and `close` follows: what came now would stand in front of the next response.
    if (this.#writable.writableEnded === true) return;
    if (this.#mayBypass) this.#tryBypass();
    const socket = this.#socket;
    if (socket !== undefined) {
      // Ended by Node when the client closed its half: `close` follows, and a write would be an error of the server.
      if (socket.writableEnded) return;
      if (!writeRaw(socket, bytes, this.#wroteIn) && !this.#full) this.#waitForDrain(socket);
      this.#wroteIn = turnNow();
      return;
    }
    if (!this.#writable.write(bytes) && !this.#full) this.#waitForDrain(this.res);
    this.#writable.flush?.();
  }

  end(last?: Uint8Array): void {
    if (this.#closed || this.#ended) return;
    // The chunk that ends a body leaves with them: one system call.
    const socket = last === undefined ? undefined : this.#socket;
    socket?.cork();
    if (last !== undefined) this.write(last);
    this.#ended = true;
    this.#writable.end();
    socket?.uncork();
  }

  destroy(): void {
    this.#ended = true;
    this.#writable.destroy();
    // http2's response has no socket to cut; its stream is.
    (this.res as { stream?: { destroy(): void } }).stream?.destroy();
  }

  listen(listener: OutletListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  /** A connection may say nothing for long: what is known of its head now need not be kept. */
  headSent(): void {
    if (this.#mayBypass && !this.#ended) this.#tryBypass();
  }

  #tryBypass(): void {
    const socket = rawSocketOf(this.res as ServerResponse);
    if (socket === 'later') return;
    this.#mayBypass = false;
    // Full responses drain by themselves; what follows must not wait for two.
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
    // Not `once` each time: compressing middleware hands the listener to a stream of its own, from which it is not taken.
    full.on('drain', onDrain);
    // A socket outlives its responses.
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

function ignore(): void {}
