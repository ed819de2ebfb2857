import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import http2 from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defineChannel, stream, topic } from '@linefeed/shared';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import type { Feed } from '../feed/types.ts';
import { toNodeHandler, type NodeOptions } from './node/node-handler.ts';

const board = defineChannel({
  notice: topic({ data: z.string() }),
  report: stream({ data: z.number() }),
});

type BoardFeed = Feed<typeof board>;

const cleanups: Array<() => unknown> = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

function createBoard(limits: { maxConnections?: number; requestTimeoutMs?: number } = {}): BoardFeed {
  const feed = createFeed(board, {
    ...limits,
    retryMs: 1,
    authorize: () => true,
    streams: {
      *report() {
        yield 1;
      },
    },
  });
  cleanups.push(() => feed.close());
  return feed;
}

async function serve(feed: BoardFeed, options?: NodeOptions): Promise<{ server: Server; port: number }> {
  const server = createServer(toNodeHandler(feed, options)).listen(0, '127.0.0.1');
  // Only the feed's own answers may end a connection here.
  server.keepAliveTimeout = 0;
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port: (server.address() as { port: number }).port };
}

interface Sent {
  readonly response: IncomingMessage;
  readonly socket: Socket;
  /** Resolves with whether the socket closed after an error. */
  readonly closed: Promise<boolean>;
}

function createKeptAgent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  cleanups.push(() => agent.destroy());
  return agent;
}

async function send(port: number, path: string, agent: Agent, method = 'GET', body?: string): Promise<Sent> {
  const asking = request({ host: '127.0.0.1', port, path, method, agent });
  asking.end(body);
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  const { socket } = response;
  const closed = new Promise<boolean>((resolve) => socket.once('close', resolve));
  return { response, socket, closed };
}

/** All bytes that a socket receives until the server ends it. */
async function exchange(port: number, sent: string, onFirst?: () => void): Promise<string> {
  const socket = connectSocket(port, '127.0.0.1');
  cleanups.push(() => socket.destroy());
  socket.write(sent);
  if (onFirst !== undefined) socket.once('data', onFirst);
  return await text(socket);
}

const countHeads = (received: string): number => received.split('HTTP/1.').length - 1;

const MODES = [
  ['with raw writes', { rawWrites: true }],
  ['without raw writes', { rawWrites: false }],
] as const;

describe.each(MODES)('over HTTP/1.1 %s', (_, options) => {
  it.each([
    ['a GET', 'GET', '/events/notice', undefined, 200],
    ['a HEAD', 'HEAD', '/events/notice', undefined, 200],
    ['a POST', 'POST', '/events', JSON.stringify({ topics: [{ address: 'notice' }] }), 503],
    ['a refusal', 'DELETE', '/events', undefined, 405],
    ['a POST for an unknown connection', 'POST', '/events', '{"connection":"x","n":1}', 409],
  ])(
    'a closing feed ends the connection after its answer to %s',
    async (_title, method, path, body, status) => {
      const feed = createBoard();
      const { port } = await serve(feed, options);
      await feed.close();
      const { response, closed } = await send(port, path, createKeptAgent(), method, body);
      const received = await text(response);
      expect([response.statusCode, response.headers.connection]).toEqual([status, 'close']);
      if (status === 200 && method === 'GET') expect(received).toContain('"reason":"drain"');
      expect(await closed).toBe(false);
    },
  );

  it('an open event stream ends its connection after its last bytes when its feed closes', async () => {
    const feed = createBoard();
    const { server, port } = await serve(feed, options);
    const { response, closed } = await send(port, '/events/notice', createKeptAgent());
    expect(response.headers.connection).toBe('keep-alive');
    const stopped = new Promise((resolve) => server.close(resolve));
    await feed.close();
    expect(await text(response)).toMatch(/"reason":"drain"\}\n\n$/);
    expect(await closed).toBe(false);
    await stopped;
  });

  it('the HTTP/1.1 connection of a disconnected client ends', async () => {
    const feed = createBoard();
    const { port } = await serve(feed, options);
    const { response, closed } = await send(port, '/events/notice', createKeptAgent());
    feed.disconnect(() => true);
    expect(await text(response)).toContain('"reason":"disconnected"');
    expect(await closed).toBe(false);
  });

  it('the HTTP/1.1 connection of a client that is refused as busy ends', async () => {
    const feed = createBoard({ maxConnections: 1 });
    const { port } = await serve(feed, options);
    await send(port, '/events/notice', createKeptAgent());
    const { response, closed } = await send(port, '/events/notice', createKeptAgent());
    expect(await text(response)).toContain('"reason":"busy"');
    expect([response.headers.connection, await closed]).toEqual(['close', false]);
  });

  it('the end of a stream keeps its HTTP/1.1 connection', async () => {
    const { port } = await serve(createBoard(), options);
    const agent = createKeptAgent();
    const first = await send(port, '/events/report', agent);
    expect(await text(first.response)).toContain('linefeed.end');
    const second = await send(port, '/events/report', agent);
    expect(await text(second.response)).toContain('linefeed.end');
    expect(second.socket).toBe(first.socket);
  });

  it('a request after the answer of a closing feed is not answered on its connection', async () => {
    const feed = createBoard();
    const { port } = await serve(feed, options);
    await feed.close();
    const asked = 'GET /events/notice HTTP/1.1\r\nHost: a\r\n\r\n';
    expect(countHeads(await exchange(port, asked + asked))).toBe(1);
  });

  it('a request after an event stream that a closing feed ends is not answered on its connection', async () => {
    const feed = createBoard();
    const { port } = await serve(feed, options);
    const asked = 'GET /events/notice HTTP/1.1\r\nHost: a\r\n\r\n';
    const received = await exchange(port, asked + asked, () => void feed.close());
    expect(countHeads(received)).toBe(1);
    expect(received).toMatch(/"reason":"drain"\}\n\n\r\n0\r\n\r\n$/);
  });

  it('a connection with an incomplete request body stays open after its answer', async () => {
    const { port } = await serve(createBoard({ requestTimeoutMs: 10 }), options);
    const socket = connectSocket(port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.write('POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{');
    let received = '';
    socket.on('data', (part) => (received += part.toString()));
    await vi.waitFor(() => expect(received).toMatch(/^HTTP\/1\.1 503 [^]*"code":"timeout"/));
    expect(received).toMatch(/^connection: keep-alive\r$/im);
  });

  it('a closing feed answers an HTTP/1.0 keep-alive request with connection: close', async () => {
    const feed = createBoard();
    const { port } = await serve(feed, options);
    await feed.close();
    const body = '{"topics":[{"address":"notice"}]}';
    const head = 'HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n';
    for (const asked of [
      `GET /events/notice ${head}\r\n`,
      `POST /events ${head}Content-Length: ${body.length}\r\n\r\n${body}`,
    ]) {
      expect(await exchange(port, asked)).toMatch(/^connection: close\r$/im);
    }
  });

  it.each([
    [
      "Node's agent",
      async (port: number, agent: Agent) => text((await send(port, '/events/notice', agent)).response),
    ],
    ['fetch', async (port: number) => (await fetch(`http://127.0.0.1:${port}/who`)).text()],
  ])('%s reaches the next server on the port, and the closed one stops', async (_title, ask) => {
    const feed = createBoard();
    const { server, port } = await serve(feed, options);
    const agent = createKeptAgent();
    const open = await send(port, '/events/notice', agent);
    const fetched = await fetch(`http://127.0.0.1:${port}/events/notice`);
    const stopped = new Promise((resolve) => server.close(resolve));
    const closing = feed.close({ graceMs: 20 });
    await Promise.all([text(open.response), fetched.text(), closing]);
    await stopped;
    const next = createServer((_req, res) => res.end('next')).listen(port, '127.0.0.1');
    cleanups.push(() => {
      next.close();
      next.closeAllConnections();
    });
    await once(next, 'listening');
    // A client may use a kept connection again before the end of the connection reaches it.
    await vi.waitFor(async () => expect(await ask(port, agent)).toBe('next'));
  });
});

it('a closing feed ends the connection of a response without the internals of Node', async () => {
  const feed = createBoard();
  const handler = toNodeHandler(feed, { rawWrites: false });
  const server = createServer((req, res) => {
    Object.defineProperty(res, '_last', { value: undefined, writable: true });
    handler(req, res);
  }).listen(0, '127.0.0.1');
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { response, closed } = await send(port, '/events/notice', createKeptAgent());
  await feed.close();
  expect(await text(response)).toContain('"reason":"drain"');
  expect(await closed).toBe(false);
});

describe('over HTTP/2', () => {
  async function connect(feed: BoardFeed): Promise<{
    server: http2.Http2Server;
    session: http2.ClientHttp2Session;
    goaways: number[];
  }> {
    const handler = toNodeHandler(feed);
    const server = http2.createServer((req, res) => {
      if (req.url === '/slow') res.write('a');
      else handler(req, res);
      if (req.url === '/slow') slow.push(() => res.end('b'));
    });
    const slow: Array<() => void> = [];
    cleanups.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    finishSlow = () => slow.splice(0).forEach((finish) => finish());
    const session = http2.connect(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
    cleanups.push(() => session.destroy());
    const goaways: number[] = [];
    session.on('goaway', (code) => goaways.push(code));
    return { server, session, goaways };
  }
  let finishSlow = (): void => undefined;

  async function open(session: http2.ClientHttp2Session, path: string): Promise<http2.ClientHttp2Stream> {
    const answer = session.request({ ':path': path });
    const [head] = (await once(answer, 'response')) as [http2.IncomingHttpHeaders];
    expect([head[':status'], head.connection]).toEqual([200, undefined]);
    return answer;
  }

  it('a closing feed ends the HTTP/2 session, and requests in progress finish', async () => {
    const feed = createBoard();
    const { session, goaways } = await connect(feed);
    const slow = await open(session, '/slow');
    const answers = [await open(session, '/events/notice'), await open(session, '/events/notice')];
    const closed = once(session, 'close');
    await feed.close();
    for (const answer of answers) expect(await text(answer)).toContain('"reason":"drain"');
    await vi.waitFor(() => expect(goaways).toEqual([0]));
    finishSlow();
    expect(await text(slow)).toBe('ab');
    await closed;
  });

  it('an answer of a closing feed ends the HTTP/2 session', async () => {
    const feed = createBoard();
    const { session, goaways } = await connect(feed);
    await feed.close();
    const closed = once(session, 'close');
    expect(await text(await open(session, '/events/notice'))).toContain('"reason":"drain"');
    await closed;
    // Node sends a second GOAWAY when it closes the socket.
    expect(new Set(goaways)).toEqual(new Set([0]));
  });

  it('a disconnected client keeps its HTTP/2 session, which other requests share', async () => {
    const feed = createBoard();
    const { session, goaways } = await connect(feed);
    const answer = await open(session, '/events/notice');
    feed.disconnect(() => true);
    expect(await text(answer)).toContain('"reason":"disconnected"');
    const again = await open(session, '/events/notice');
    expect([session.closed, goaways]).toEqual([false, []]);
    again.close();
  });
});

describe('a Response', () => {
  it('a Response of a closing feed has the header connection: close', async () => {
    const feed = createBoard();
    const url = 'http://a.test/events/notice';
    const before = await feed.handle(new Request(url));
    const closing = feed.close();
    expect(await before.text()).toContain('"reason":"drain"');
    await closing;
    const after = await feed.handle(new Request(url));
    expect([before.headers.get('connection'), after.headers.get('connection')]).toEqual([null, 'close']);
  });
});
