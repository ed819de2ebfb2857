/** A node:http server whose responses a test controls. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request and its response, controlled by a test. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly body: string;
  /** Resolves when the client is gone or the response has ended. */
  readonly closed: Promise<void>;
  /** Sends the head of an event stream, followed by `text`. */
  readonly stream: (text: string) => void;
  readonly write: (text: string | Uint8Array) => void;
  /** Resets the TCP connection. */
  readonly cut: () => void;
}

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Resolves with the next request, waiting or new. Rejects after 5 s. */
  readonly next: () => Promise<Exchange>;
  /** Number of requests that `next` has not returned yet. */
  readonly unread: () => number;
}

export async function createScriptedServer(): Promise<ScriptedServer> {
  const arrived: Exchange[] = [];
  const readers: Array<(exchange: Exchange) => void> = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const exchange: Exchange = {
      request,
      response,
      url: new URL(request.url ?? '', 'http://localhost'),
      body: Buffer.concat(chunks).toString(),
      closed: new Promise((resolve) => response.on('close', () => resolve())),
      stream(text) {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        response.write(text);
      },
      write: (text) => void response.write(text),
      cut: () => void response.socket?.resetAndDestroy(),
    };
    const reader = readers.shift();
    if (reader) reader(exchange);
    else arrived.push(exchange);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    next: () =>
      new Promise((resolve, reject) => {
        const first = arrived.shift();
        if (first) return resolve(first);
        const timer = setTimeout(() => reject(new Error('No request came within 5 s.')), 5_000);
        readers.push((exchange) => {
          clearTimeout(timer);
          resolve(exchange);
        });
      }),
    unread: () => arrived.length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
