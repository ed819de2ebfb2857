/**
 * Converts a request of Node's http and http2 to the core's form: its URL, its headers, and its body up to a limit.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { refusal } from '@linefeed/shared/wire';
import { ignore } from '../../base/promise.ts';
import type { ConsumedBody, HttpRequest, StartTimer } from '../../http/http.ts';

/** A request of `node:http`, `node:http2`, or a framework that extends one of them. */
export type NodeRequest = (IncomingMessage | Http2ServerRequest) & {
  /** Express and Connect strip the mount path from `url` and keep the whole target here. */
  readonly originalUrl?: string;
  /** Set by a body parser that ran earlier and read the body. */
  readonly body?: unknown;
};

/** `target`: the request's `url`, or the `originalUrl` of Express and Connect. */
export function toHttpRequest(req: NodeRequest, res: NodeResponse, target: string): HttpRequest {
  const header = (name: string): string | undefined => readHeader(req, name);
  const host = header(':authority') ?? header('host') ?? 'localhost';
  const scheme = 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http';
  const url = toUrl(target, `${scheme}://${host}`);
  return {
    method: req.method ?? 'GET',
    url,
    header,
    text: (maxBytes) => readBody(req, maxBytes),
    discard: (maxBytes, startTimer) => discardBody(req, res, maxBytes, startTimer),
    req,
    toRequest: () => new Request(url, { method: req.method ?? 'GET', headers: toHeaders(req) }),
  };
}

/** A response of `node:http`, `node:http2`, or a framework that extends one of them. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

export function readHeader(req: NodeRequest, name: string): string | undefined {
  const value = req.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function toUrl(target: string, origin: string): URL {
  // A target such as //x is a path here. A URL parser would read its start as a host.
  const path = target.startsWith('/') ? target.replace(/^\/+/, '/') : target;
  return (
    parseUrl(path, origin) ??
    // Do not fall back to localhost, because the option `hosts` may allow it.
    parseUrl(path, 'http://host.invalid') ??
    parseUrl(origin) ??
    new URL('http://host.invalid')
  );
}

/** Rejects a URL with a user or password, because `new Request` throws for it. */
function parseUrl(text: string, base?: string): URL | undefined {
  const url = URL.parse(text, base);
  return url === null || url.username !== '' || url.password !== '' ? undefined : url;
}

function toHeaders(req: NodeRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    // HTTP/2 pseudo-headers are not headers.
    if (name.startsWith(':') || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

const BODY_IS_GONE: ConsumedBody = {
  remedy:
    'A framework or a body parser has read it. Mount the feed before that one, or pass the parsed body as req.body: Object.assign(req, { body }).',
};

/** Rejects with `payload_too_large`, or with `bad_request` if the client disconnects before the end. */
function readBody(req: NodeRequest, maxBytes: number): Promise<string | ConsumedBody> {
  // A body parser that skipped this content type sets `body` to an empty object and leaves the stream unread. So
  // `body` alone does not prove that the body was read.
  if (req.readableDidRead || (req.readableEnded && req.body !== undefined)) {
    return Promise.resolve().then(() => readParsed(req, maxBytes));
  }
  if (req.readableEnded) return Promise.resolve('');
  // Listeners instead of `for await`: leaving that loop early destroys the socket, and the response is lost.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (finish: () => void): void => {
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      finish();
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes <= maxBytes) return;
      settle(() => reject(tooLarge(maxBytes)));
    };
    const onEnd = (): void => settle(() => resolve(Buffer.concat(chunks).toString('utf8')));
    const onClose = (): void =>
      settle(() => reject(refusal('bad_request', 'The client left before the end of its body.')));
    // 'close' follows every error.
    req.on('error', ignore);
    req.on('data', onData).on('end', onEnd).on('close', onClose);
    if (req.destroyed) onClose();
  });
}

/** The text of a body that a body parser has already read. */
function readParsed(req: NodeRequest, maxBytes: number): string | ConsumedBody {
  const { body } = req;
  // A form parser destroys the JSON text, so it cannot be restored.
  const isForm = /^(application\/x-www-form-urlencoded|multipart\/)/i.test(
    readHeader(req, 'content-type') ?? '',
  );
  if (body === undefined) return BODY_IS_GONE;
  let text: string;
  if (typeof body === 'string') text = body;
  else if (body instanceof Uint8Array) text = new TextDecoder().decode(body);
  else if (isForm) return BODY_IS_GONE;
  else text = JSON.stringify(body);
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(maxBytes);
  return text;
}

function tooLarge(maxBytes: number): Error {
  return refusal('payload_too_large', `The body has more than ${maxBytes} bytes.`);
}

/** Reads and drops the rest of the body. Past the bounds it cuts the connection, or over HTTP/2 the stream. */
function discardBody(req: NodeRequest, res: NodeResponse, maxBytes: number, startTimer: StartTimer): void {
  if (req.complete || req.destroyed) return;
  if ('stream' in req && req.stream.endAfterHeaders) return;
  const cut = (): void => {
    if ('stream' in req) req.stream.close();
    else req.socket.destroy();
  };
  let bytes = 0;
  req.on('error', ignore);
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) cut();
  });
  // Start the timer after the response, because the response may be an event stream. An HTTP/2 response emits `finish` only when
  // both sides of its stream are closed, so listen to the stream itself.
  const answer = 'stream' in req ? req.stream : res;
  answer.once('finish', () => {
    // Cut a request that stays half open, because no connection limit counts it.
    if (req.readableEnded || req.destroyed) return;
    const timer = startTimer(cut);
    req.once('end', timer.clear).once('close', timer.clear);
  });
}
