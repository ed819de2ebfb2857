/** A request of Node's http and http2 as the core takes it: its URL, its headers, and its body up to a bound. */
import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { refusal } from '@linefeed/shared/wire';
import type { IncomingRequest } from '../exchange.ts';

export type NodeRequest = (IncomingMessage | Http2ServerRequest) & {
  /** Express and Connect strip the mount path from `url` and keep the whole one here. */
  readonly originalUrl?: string;
  /** A body parser in front has read the body. */
  readonly body?: unknown;
};

/** `target`: its URL, or the whole one of Express and Connect. */
export function toIncomingRequest(req: NodeRequest, target: string): IncomingRequest {
  const header = (name: string): string | undefined => readHeader(req, name);
  const host = header(':authority') ?? header('host') ?? 'localhost';
  const scheme = 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http';
  const url = toUrl(target, `${scheme}://${host}`);
  return {
    method: req.method ?? 'GET',
    url,
    header,
    text: (maxBytes) => readBody(req, maxBytes),
    discard: (maxBytes) => discardBody(req, maxBytes),
    toRequest: () => new Request(url, { method: req.method ?? 'GET', headers: toHeaders(req) }),
  };
}

export function readHeader(req: NodeRequest, name: string): string | undefined {
  const value = req.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function toUrl(target: string, origin: string): URL {
  // A target such as //x is a path here, not a host.
  const path = target.startsWith('/') ? target.replace(/^\/+/, '/') : target;
  return (
    URL.parse(path, origin) ??
    // Not localhost, which the option `hosts` may name.
    URL.parse(path, 'http://host.invalid') ??
    URL.parse(origin) ??
    new URL('http://host.invalid')
  );
}

function toHeaders(req: NodeRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    // HTTP/2's pseudo-headers are no headers.
    if (name.startsWith(':') || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

/** Rejects with `payload_too_large`, and with `bad_request` where the client leaves before the end. */
function readBody(req: NodeRequest, maxBytes: number): Promise<string> {
  // A body parser that passed this type over leaves an empty object behind, and the body unread.
  if (req.body !== undefined && req.readableEnded) {
    return Promise.resolve(typeof req.body === 'string' ? req.body : JSON.stringify(req.body));
  }
  if (req.readableEnded) return Promise.resolve('');
  // By hand: a `for await` that is left early destroys the socket, and with it the answer.
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
      const error = refusal('payload_too_large', `The body has more than ${maxBytes} bytes.`);
      settle(() => reject(error));
    };
    const onEnd = (): void => settle(() => resolve(Buffer.concat(chunks).toString('utf8')));
    const onClose = (): void =>
      settle(() => reject(refusal('bad_request', 'The client left before the end of its body.')));
    // 'close' follows.
    req.on('error', ignore);
    req.on('data', onData).on('end', onEnd).on('close', onClose);
    if (req.destroyed) onClose();
  });
}

/** Throws away what comes, at most `maxBytes`: beyond that the connection is cut, or over HTTP/2 the stream. */
function discardBody(req: NodeRequest, maxBytes: number): void {
  if (req.complete || req.destroyed) return;
  let bytes = 0;
  req.on('error', ignore);
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) return;
    if ('stream' in req) req.stream.close();
    else req.socket.destroy();
  });
}

function ignore(): void {}
