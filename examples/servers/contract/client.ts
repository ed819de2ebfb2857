/** Readers of a response for the contract tests: over HTTP/1.1, over HTTP/2, and straight from a `Response`. */
import http from 'node:http';
import http2 from 'node:http2';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createParser } from 'eventsource-parser';

export interface Asked {
  readonly method?: string | undefined;
  readonly headers?: Record<string, string> | undefined;
  /** Sent over HTTP/2 only. */
  readonly body?: string | undefined;
}

/** An answer that is being read; bytes are read only on request. */
export interface Reading {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string | readonly string[]>;
  /** The next piece of the body; undefined at its end. */
  next(): Promise<Uint8Array | undefined>;
  /** Leaves, like a browser whose tab is closed. */
  leave(): void;
}

/** Sends a request to a server. `undefined` if the client left before an answer came. */
export type Ask = (path: string, asked?: Asked, signal?: AbortSignal) => Promise<Reading | undefined>;

export interface ReadEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

export function askOver1(origin: string): Ask {
  return (path, { method = 'GET', headers = {} } = {}, signal) =>
    new Promise((resolve, reject) => {
      // No agent: a kept-alive connection would hide whether the server closed it.
      const request = http.request(new URL(path, origin), { method, headers, agent: false });
      signal?.addEventListener('abort', () => request.destroy());
      request.on('error', (error) => (signal?.aborted === true ? resolve(undefined) : reject(error)));
      request.on('response', (response) => {
        const isPacked = method !== 'HEAD' && response.headers['content-encoding'] === 'gzip';
        const body = isPacked ? response.pipe(createGunzip()) : response;
        // Cut in the middle, like every stream that a client leaves.
        body.on('error', () => undefined);
        // A pipe does not pass errors on.
        if (isPacked) response.on('error', (error) => body.destroy(error));
        resolve(toReading(body, response.statusCode ?? 0, response.headers, () => request.destroy()));
      });
      request.end();
    });
}

/** Like browsers: with compression, if the server offers it. */
export function askForGzip(origin: string): Ask {
  const ask = askOver1(origin);
  return (path, asked = {}, signal) =>
    ask(path, { ...asked, headers: { 'accept-encoding': 'gzip', ...asked.headers } }, signal);
}

/** Each on its own session, so that leaving closes it. */
export function askOver2(origin: string): Ask {
  return (path, { method = 'GET', headers = {}, body } = {}, signal) =>
    new Promise((resolve, reject) => {
      const session = http2.connect(origin);
      const stream = session.request({ ':path': path, ':method': method, ...headers });
      const leave = (): void => {
        stream.close(http2.constants.NGHTTP2_CANCEL);
        // Its close() would wait for the stream, and the stream would wait for a read of the rest.
        session.destroy();
      };
      signal?.addEventListener('abort', leave);
      stream.on('close', () => {
        session.close();
        resolve(undefined);
      });
      session.on('error', reject);
      stream.on('error', reject);
      stream.on('response', (answer) => {
        resolve(toReading(stream, Number(answer[':status']), answer, leave));
      });
      stream.end(body);
    });
}

/** For a server without TLS, which the global `fetch` reaches only over HTTP/1.1. */
export async function fetchOver2(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const { pathname, search, origin } = new URL(request.url);
  const ask = askOver2(origin);
  const { status, headers, next, leave } = (await ask(
    `${pathname}${search}`,
    {
      method: request.method,
      headers: Object.fromEntries(request.headers),
      body: request.body === null ? undefined : await request.text(),
    },
    request.signal,
  ))!;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await next();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: leave,
  });
  const type = headers.get('content-type')?.toString() ?? '';
  return new Response(body, { status, headers: { 'content-type': type } });
}

export function askDirectly(handle: (request: Request) => Response | Promise<Response>): Ask {
  return async (path, asked = {}, signal) => {
    const leaving = new AbortController();
    signal?.addEventListener('abort', () => leaving.abort());
    const { method = 'GET', headers = {} } = asked;
    const response = await handle(
      new Request(new URL(path, 'http://bare.test'), { method, headers, signal: leaving.signal }),
    );
    const reader = response.body?.getReader();
    return {
      status: response.status,
      headers: toMap([...response.headers]),
      next: async () => (await reader?.read())?.value,
      leave: () => void reader?.cancel().catch(() => undefined),
    };
  };
}

function toReading(
  body: Readable,
  status: number,
  headers: NodeJS.Dict<string | string[] | number>,
  leave: () => void,
): Reading {
  const chunks = body.iterator({ destroyOnReturn: false });
  return {
    status,
    headers: new Map(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : String(value)]),
    ),
    async next() {
      const step = (await chunks.next()) as IteratorResult<Uint8Array, undefined>;
      return step.value;
    },
    leave,
  };
}

function toMap(pairs: ReadonlyArray<[string, string]>): Map<string, string | string[]> {
  const map = new Map<string, string | string[]>();
  for (const [name, value] of pairs) {
    if (name === 'set-cookie') map.set(name, [...((map.get(name) as string[] | undefined) ?? []), value]);
    else map.set(name, value);
  }
  return map;
}

/** Reads a body event by event. */
export class EventReader {
  readonly reading: Reading;
  /** Everything so far. */
  text = '';
  readonly events: ReadEvent[] = [];
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({
    onEvent: ({ event = 'message', id, data }) => this.events.push({ event, data, id }),
  });

  constructor(reading: Reading) {
    this.reading = reading;
  }

  /** Reads until the condition holds; rejects if the body ends before. */
  async until(holds: (reader: EventReader) => boolean): Promise<void> {
    while (!holds(this)) {
      const chunk = await this.reading.next();
      if (chunk === undefined)
        throw new Error(`The body ended with ${JSON.stringify(this.text.slice(-200))}.`);
      const text = this.#decoder.decode(chunk, { stream: true });
      this.text += text;
      this.#parser.feed(text);
    }
  }

  /** The event after those read so far. */
  async event(): Promise<ReadEvent> {
    const { length } = this.events;
    await this.until(({ events }) => events.length > length);
    return this.events[length]!;
  }

  /** The whole body. */
  async rest(): Promise<string> {
    await this.until(() => false).catch((error: unknown) => {
      if (!(error instanceof Error && error.message.startsWith('The body ended'))) throw error;
    });
    return this.text;
  }
}
