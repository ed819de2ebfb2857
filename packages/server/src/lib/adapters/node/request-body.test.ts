import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type Http2Server,
} from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { board } from '../../../../test-kit/feed-bench.ts';
import { systemClock, type Clock } from '../../base/clock.ts';
import { createFeed } from '../../feed/create-feed.ts';
import type { Feed } from '../../feed/types.ts';
import { toNodeHandler } from './node-handler.ts';

const LIMIT = 64 * 1024;
const CHUNK = Buffer.alloc(16 * 1024, 'x');
const OPENING = JSON.stringify({ topics: [{ address: 'notice' }] });

const leftOpen: Array<() => void> = [];
afterEach(() => {
  for (const close of leftOpen.splice(0)) close();
});

/** A feed that accepts only requests with `user: ann`, and records the calls of `context`. */
function createGuarded(): { feed: Feed<typeof board>; asked: string[] } {
  const asked: string[] = [];
  const feed = createFeed(
    { ...board },
    {
      maxRequestBytes: LIMIT,
      streams: { *report() {}, *tick() {} },
      context: (request) => {
        asked.push(`${request.method} ${request.body === null ? 'without' : 'with'} a body`);
        if (request.headers.get('user') !== 'ann') throw Object.assign(new Error(), { status: 401 });
      },
    },
  );
  leftOpen.push(() => void feed.close());
  return { feed, asked };
}

async function listen(server: Server | Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  leftOpen.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('the body of a POST over HTTP/1.1', () => {
  async function open(): Promise<{
    socket: Socket;
    asked: string[];
    until: (text: RegExp) => Promise<string>;
  }> {
    const { feed, asked } = createGuarded();
    const port = await listen(createServer(toNodeHandler(feed)));
    const socket = connect(port, '127.0.0.1');
    leftOpen.push(() => socket.destroy());
    socket.on('error', () => undefined);
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    const until = async (text: RegExp): Promise<string> => {
      while (!text.test(received) && !socket.destroyed) await once(socket, 'data');
      return received;
    };
    return { socket, asked, until };
  }

  const head = (user: string, length: number): string =>
    `POST /events HTTP/1.1\r\nhost: a\r\nuser: ${user}\r\ncontent-length: ${length}\r\n\r\n`;

  it('context of a POST over HTTP/1.1 runs before the body arrives, with the method but no body', async () => {
    const { socket, asked, until } = await open();
    socket.write(head('bob', 10));
    expect(await until(/"http_status"|"unauthorized"/)).toMatch(/^HTTP\/1.1 401 /);
    expect(asked).toEqual(['POST without a body']);
  });

  it('the body of a POST over HTTP/1.1 is read after context accepts the request', async () => {
    const { socket, asked, until } = await open();
    socket.write(head('ann', OPENING.length) + OPENING);
    expect(await until(/linefeed.subscribed/)).toMatch(/^HTTP\/1.1 200 /);
    expect(asked).toEqual(['POST without a body']);
  });

  it('an HTTP/1.1 socket serves the next request after a refused POST with a body', async () => {
    const { socket, until } = await open();
    socket.write(head('bob', 2 * CHUNK.length));
    await until(/"unauthorized"/);
    socket.write(CHUNK);
    socket.write(CHUNK);
    socket.write(head('ann', OPENING.length) + OPENING);
    expect(await until(/linefeed.subscribed/)).toMatch(/HTTP\/1.1 401 [^]*HTTP\/1.1 200 /);
  });

  it('a too large body gets 413 and is read to its end, and the socket serves the next request', async () => {
    const { socket, until } = await open();
    socket.write(head('ann', LIMIT + CHUNK.length));
    for (let sent = 0; sent < LIMIT + CHUNK.length; sent += CHUNK.length) socket.write(CHUNK);
    expect(await until(/"payload_too_large"/)).toMatch(/^HTTP\/1.1 413 /);
    socket.write(head('ann', OPENING.length) + OPENING);
    expect(await until(/linefeed.subscribed/)).toMatch(/HTTP\/1.1 200 /);
  });

  it('an endless body of a refused POST closes the HTTP/1.1 connection', async () => {
    const { socket, until } = await open();
    socket.write(head('bob', 1e12));
    await until(/"unauthorized"/);
    const send = (): void => {
      while (!socket.destroyed && socket.write(CHUNK));
    };
    socket.on('drain', send);
    send();
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    // The kernel buffers of the socket take an unknown number of bytes.
    expect(socket.bytesWritten).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a body that does not end', () => {
  const TIMEOUT_MS = 60;
  const quickClock: Clock = {
    ...systemClock,
    after: (ms, call) => systemClock.after(Math.min(ms, TIMEOUT_MS), call),
  };

  /** A feed whose timeouts are TIMEOUT_MS. */
  function createImpatient(): Feed<typeof board> {
    const feed = createFeed(
      { ...board },
      {
        clock: quickClock,
        requestTimeoutMs: TIMEOUT_MS,
        streams: { *report() {}, *tick() {} },
        context: (request) => {
          if (request.headers.has('refuse')) throw Object.assign(new Error(), { status: 401 });
        },
      },
    );
    leftOpen.push(() => void feed.close());
    return feed;
  }

  it.each([
    ['that timed out', 'POST', {}, 503],
    ['of a refused POST', 'POST', { refuse: '1' }, 401],
    ['of a refused GET', 'GET', { refuse: '1' }, 401],
  ])(
    'an unfinished body %s holds no HTTP/2 stream after the response',
    async (_name, method, headers, status) => {
      const server = createHttp2Server(toNodeHandler(createImpatient()));
      const port = await listen(server);
      let closed: number | undefined;
      server.on('stream', (stream) => stream.on('close', () => (closed = stream.rstCode)));
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      leftOpen.push(() => session.destroy());
      const stream = session.request(
        { ':method': method, ':path': '/events/notice', ...headers },
        { endStream: false },
      );
      stream.write('{"topics":');
      stream.on('error', () => undefined);
      const [answer] = (await once(stream, 'response')) as [{ ':status': number }];
      let text = '';
      // Iteration would fail, because the other side is closed early.
      stream.on('data', (chunk) => (text += String(chunk)));
      await once(stream, 'end');
      expect([answer[':status'], JSON.parse(text)]).toMatchObject([status, { status }]);
      await expect.poll(() => closed).toBe(0);
    },
  );

  it.each([
    ['that timed out', {}, 503],
    ['of a refused POST', { refuse: '1' }, 401],
  ])('an unfinished body %s holds no HTTP/1.1 socket after the response', async (_name, headers, status) => {
    const server = createServer({ keepAliveTimeout: 0 }, toNodeHandler(createImpatient()));
    const port = await listen(server);
    const socket = connect(port, '127.0.0.1');
    leftOpen.push(() => socket.destroy());
    socket.on('error', () => undefined);
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST /events HTTP/1.1\r\nhost: a\r\n${lines.join('')}content-length: 100\r\n\r\n{`);
    await once(socket, 'close');
    expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"status":${status}`));
  });

  it('an unfinished body of a GET does not cut its event stream', async () => {
    const feed = createImpatient();
    const port = await listen(createServer(toNodeHandler(feed)));
    const socket = connect(port, '127.0.0.1');
    leftOpen.push(() => socket.destroy());
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.on('error', () => undefined);
    socket.write('GET /events/notice HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{');
    await expect.poll(() => received).toContain('linefeed.subscribed');
    await new Promise((resolve) => setTimeout(resolve, 3 * TIMEOUT_MS));
    await feed.publish('notice', { text: 'still here' });
    await expect.poll(() => received).toContain('still here');
  });
});

describe('the body of a POST in a fetch-style runtime', () => {
  it.each([
    ['a refused request', 'bob', 401],
    ['a too large body', 'ann', 413],
  ])(
    'the body of a fetch-style POST is discarded up to the limit and then cancelled: %s',
    async (_name, user, status) => {
      const { feed } = createGuarded();
      let pulled = 0;
      let cancel: () => void = () => undefined;
      const cancelled = new Promise<void>((resolve) => (cancel = resolve));
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          pulled += CHUNK.length;
          controller.enqueue(CHUNK);
        },
        cancel,
      });
      const init = { method: 'POST', body, headers: { user }, duplex: 'half' } as RequestInit;
      const response = await feed.handle(new Request('http://feed.test/events', init));
      expect(response.status).toBe(status);
      await cancelled;
      expect(pulled).toBeGreaterThan(LIMIT);
      expect(pulled).toBeLessThan(3 * LIMIT);
    },
  );
});

describe('the body of a POST over HTTP/2', () => {
  async function open(): Promise<{ session: ClientHttp2Session; asked: string[] }> {
    const { feed, asked } = createGuarded();
    const port = await listen(createHttp2Server(toNodeHandler(feed)));
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    leftOpen.push(() => session.destroy());
    return { session, asked };
  }

  const post = (user: string) => ({ ':method': 'POST', ':path': '/events', user });

  it('context of a POST over HTTP/2 runs before the body arrives, with the method but no body', async () => {
    const { session, asked } = await open();
    const stream = session.request(post('bob'));
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
    expect([headers[':status'], asked]).toEqual([401, ['POST without a body']]);
    stream.close();
  });

  it.each([
    ['a refused request', 'bob', 401],
    ['a too large body', 'ann', 413],
  ])(
    'an endless body ends its HTTP/2 stream, and the session serves the next request: %s',
    async (_name, user, status) => {
      const { session } = await open();
      const stream = session.request(post(user));
      stream.on('error', () => undefined);
      let sent = 0;
      const send = (): void => {
        do sent += CHUNK.length;
        while (!stream.destroyed && stream.write(CHUNK));
      };
      stream.on('drain', send);
      send();
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      expect(headers[':status']).toBe(status);
      stream.resume();
      if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
      expect(sent).toBeLessThan(64 * 1024 * 1024);
      const next = session.request(post('ann'));
      next.end(OPENING);
      let text = '';
      for await (const chunk of next) {
        text += String(chunk);
        if (text.includes('linefeed.subscribed')) break;
      }
      expect(text).toContain('linefeed.subscribed');
    },
  );
});
