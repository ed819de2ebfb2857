/** Adapter for Node's http and http2 servers, and for every framework that exposes their requests and responses. */
import type { ServerResponse } from 'node:http';
import { checkOptions, invalidOption } from '@linefeed/shared/wire';
import type { EventStreamContent } from '../../event-stream/content.ts';
import { toEventStreamResponse } from '../../event-stream/event-stream.ts';
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
import { readHeader, toHttpRequest, type NodeRequest, type NodeResponse } from './node-request.ts';
import { NodeSink } from './node-sink.ts';

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
    throw invalidOption('toNodeHandler takes a feed, or a result of defineStream or fromRouter.');
  }
  checkOptions('toNodeHandler', options, { rawWrites: 'boolean' });
  const { rawWrites = true } = options;
  return (req, res, next) => {
    // Listen before the first await, so that a client that disconnects during the decision is noticed.
    const sink = new NodeSink(res, rawWrites);
    respondOnNode(target, req, sink, next).catch((error: unknown) => {
      if (next !== undefined) next(error);
      else if (res.headersSent) res.destroy();
      else sendResponse(toProblem(error), res, sink);
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
  const response = toEventStreamResponse(
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
    sendResponse(response, res, sink);
  } catch (error) {
    response.abandon?.(error);
    throw error;
  }
}

async function respondOnNode(
  target: RequestTarget,
  req: NodeRequest,
  sink: NodeSink,
  next: ((error?: unknown) => void) | undefined,
): Promise<void> {
  const response =
    (await respond(target, toHttpRequest(req, sink.res, req.url ?? '/'))) ??
    (req.originalUrl === undefined || req.originalUrl === req.url
      ? undefined
      : await respond(target, toHttpRequest(req, sink.res, req.originalUrl)));
  if (response !== undefined) sendResponse(response, sink.res, sink);
  else if (next !== undefined) next();
  else sendResponse(notFound(req.url ?? '/'), sink.res, sink);
}

/** The members that both kinds of response have. */
type Head = Pick<
  ServerResponse,
  'setHeader' | 'appendHeader' | 'getHeader' | 'removeHeader' | 'end' | 'flushHeaders' | 'statusCode'
>;

/**
 * Keeps headers already set on the response. Ours replace those of the same name; `set-cookie` and `vary` accumulate.
 */
function sendResponse(
  { status, headers, body, departure }: HttpResponse,
  on: NodeResponse,
  sink: NodeSink,
): void {
  const res = on as Head;
  if (sink.closed) {
    if (typeof body === 'function') body(sink);
    return;
  }
  res.statusCode = status;
  for (const [name, value] of headers) {
    if (name === 'set-cookie') res.appendHeader(name, value);
    else if (name === 'vary') res.setHeader(name, joinVary(res.getHeader(name)?.toString(), value));
    else res.setHeader(name, value);
  }
  if (departure !== undefined) sink.depart(departure);
  if (typeof body === 'function') {
    // Middleware may have set a length for the response that it expected.
    res.removeHeader('content-length');
    // The first bytes leave together with the head: one packet, one system call.
    body(sink);
    if (!on.headersSent) res.flushHeaders();
    sink.headSent();
  } else res.end(body);
}
