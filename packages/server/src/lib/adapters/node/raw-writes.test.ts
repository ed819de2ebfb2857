import { once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  request,
  ServerResponse,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { createGunzip, createGzip } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { createFeed } from '../../feed/create-feed.ts';
import { message } from '../../stream/message.ts';
import { sendEventStream, toNodeHandler, type NodeRequest, type NodeResponse } from './node-handler.ts';
import { toRequestTarget } from '../../http/http.ts';
import type { ResponseSink } from '../../http/response-sink.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** A server that answers each request with this body. */
function listenWith(body: (sink: ResponseSink) => void): Promise<number> {
  return listen(toNodeHandler(toRequestTarget(async () => ({ status: 200, headers: [], body }))));
}

/** All bytes that a socket receives after it sent `text`. */
async function exchange(port: number, text: string): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.write(text);
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'close');
  return Buffer.concat(parts)
    .toString('latin1')
    .replaceAll(/^Date: .*$/gm, 'Date: now');
}

/** The writes to the server's socket, one by one. */
function watchWrites(socket: Socket): string[] {
  const writes: string[] = [];
  const { write } = socket;
  socket.write = (...args: unknown[]) => {
    writes.push(Buffer.from(args[0] as string, 'latin1').toString('latin1'));
    return Reflect.apply(write, socket, args) as boolean;
  };
  return writes;
}

const EVENTS = ['one', 'zwei – ü', 'x'.repeat(100_000), message('a\nb', { id: '4' })];

/** The last event. */
const LAST = /id: 4\ndata: a\ndata: b\n\n/;

async function* inTurns(): AsyncGenerator {
  for (const event of EVENTS) {
    yield event;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function send(req: NodeRequest, res: NodeResponse, rawWrites?: boolean): void {
  sendEventStream(req, res, inTurns(), { rawWrites });
}

const CLOSE = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

describe('raw writes', () => {
  it('a raw write passes each piece to the socket as one chunk', async () => {
    const writes: string[] = [];
    const port = await listen((req, res) => {
      sendEventStream(req, res, ['one']);
      const seen = watchWrites(req.socket);
      res.on('close', () => writes.push(...seen));
    });
    await exchange(port, CLOSE);
    expect(writes).toContain('b\r\ndata: one\n\n\r\n');
  });

  it('raw writes after the first one of a turn are sent together', async () => {
    const parts: string[] = [];
    const port = await listenWith((sink) => {
      sink.write(Buffer.from('head'));
      setImmediate(() => {
        for (const part of ['one', 'two', 'three']) sink.write(Buffer.from(part));
        setImmediate(() => sink.end());
      });
    });
    servers[0]!.on('connection', (socket: Socket) => {
      const { write, cork, uncork } = socket;
      let corked = false;
      socket.cork = () => {
        corked = true;
        cork.call(socket);
      };
      socket.uncork = () => {
        corked = false;
        uncork.call(socket);
      };
      socket.write = (...args: unknown[]) => {
        parts.push(
          `${corked ? 'corked ' : ''}${Buffer.from(args[0] as string, 'latin1').toString('latin1')}`,
        );
        return Reflect.apply(write, socket, args) as boolean;
      };
    });
    const answer = await exchange(port, CLOSE);
    expect(answer.endsWith('3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n')).toBe(true);
    expect(parts.slice(-4)).toEqual([
      '3\r\none\r\n',
      'corked 3\r\ntwo\r\n',
      'corked 5\r\nthree\r\n',
      '0\r\n\r\n',
    ]);
  });

  it('rawWrites: false turns raw writes off', async () => {
    const writes: string[] = [];
    const port = await listen((req, res) => {
      sendEventStream(req, res, ['one'], { rawWrites: false });
      const seen = watchWrites(req.socket);
      res.on('close', () => writes.push(...seen));
    });
    await exchange(port, CLOSE);
    expect(writes).toContain('data: one\n\n');
  });

  it.each([
    ['a response', CLOSE],
    [
      'pipelined requests',
      `GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n${CLOSE.replace('/', '/3')}`,
    ],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    ['HEAD', CLOSE.replace('GET', 'HEAD')],
  ])('raw writes do not change the bytes on the wire: %s', async (_what, text) => {
    const raw = await exchange(await listen((req, res) => send(req, res)), text);
    const plain = await exchange(await listen((req, res) => send(req, res, false)), text);
    // `toBe(plain)` would print a difference of 100,000 characters.
    expect(raw === plain).toBe(true);
    expect(LAST.test(raw)).toBe(!text.startsWith('HEAD'));
  });

  it('raw writes frame more different pieces in a turn than the cache holds, and repeated ones', async () => {
    const pieces = Array.from({ length: 12 }, (_, n) => Buffer.from(`${n} ${'x'.repeat(n * 7)}`));
    const written = [...pieces, ...pieces.toReversed(), pieces[3]!, pieces[3]!];
    const port = await listenWith((sink) => {
      for (const piece of written) sink.write(piece);
      sink.end();
    });
    const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
    expect((await response.toArray()).join('')).toBe(written.join(''));
  });

  it('raw writes are chosen when the head is sent, so a later patch of the response has no effect', async () => {
    const asked: string[] = [];
    let opened: NodeResponse | undefined;
    const publish = (): void => {
      // Too late to prevent the bypass.
      (opened as ServerResponse).write = () => asked.push('write') > 0;
      void feed.publish('news', 'late').then(() => feed.close());
    };
    const feed = createFeed(defineChannel({ news: z.string() }), {
      onSubscribe: () => setImmediate(publish),
    });
    const handle = toNodeHandler(feed);
    const port = await listen((req, res) => {
      opened = res;
      handle(req, res);
    });
    expect(await exchange(port, CLOSE.replace('GET /', 'GET /events/news'))).toContain('data: "late"');
    expect(asked).toEqual([]);
  });

  it('raw writes wait for the response of an earlier pipelined request', async () => {
    const waiting: Array<() => void> = [];
    const port = await listen((req, res) => {
      if (req.url === '/2') send(req, res);
      else waiting.push(() => res.end('first'));
      if (req.url === '/2') setImmediate(() => setImmediate(() => waiting[0]!()));
    });
    const answer = await exchange(port, `GET /1 HTTP/1.1\r\nhost: a\r\n\r\n${CLOSE.replace('/', '/2')}`);
    expect(answer.indexOf('first')).toBeLessThan(answer.indexOf('text/event-stream'));
    expect(answer).toMatch(LAST);
  });

  it('raw writes are off for a response that middleware compresses', async () => {
    const port = await listen((req, res) => {
      const gzip = createGzip();
      const { write, end } = res;
      gzip.on('data', (part: Buffer) => Reflect.apply(write, res, [part]));
      gzip.on('drain', () => res.emit('drain'));
      gzip.on('end', () => Reflect.apply(end, res, []));
      res.setHeader('content-encoding', 'gzip');
      res.write = ((part: Buffer) => gzip.write(part)) as typeof res.write;
      res.end = (() => (gzip.end(), res)) as typeof res.end;
      send(req, res);
    });
    const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
    const text = (await response.pipe(createGunzip()).toArray()).join('');
    expect(text).toContain('data: one\n\n');
    expect(text).toMatch(LAST);
  });

  it.each(['write', 'end', '_send'] as const)(
    'raw writes are off for a response with a patched %s method',
    async (name) => {
      const calls: unknown[] = [];
      const prototype = ServerResponse.prototype as unknown as Record<
        string,
        (...args: unknown[]) => unknown
      >;
      const inherited = prototype[name]!;
      prototype[name] = function (...args) {
        calls.push(String(args[0]));
        return Reflect.apply(inherited, this, args);
      };
      try {
        const writes: string[] = [];
        const port = await listen((req, res) => {
          const seen = watchWrites(req.socket);
          sendEventStream(req, res, ['one']);
          res.on('close', () => writes.push(...seen));
        });
        await exchange(port, CLOSE);
        expect(writes.join('')).toContain('b\r\ndata: one\n\n\r\n');
        expect(writes).not.toContain('b\r\ndata: one\n\n\r\n');
        expect(calls.length).toBeGreaterThan(0);
      } finally {
        delete prototype[name];
      }
    },
  );

  it('raw writes leave no listener on a socket that serves the next request', async () => {
    const sockets: Socket[] = [];
    const listeners: number[] = [];
    const port = await listen((req, res) => {
      sockets.push(req.socket);
      listeners.push(req.socket.listenerCount('drain'));
      // More than the socket takes at once, so the writer waits for its drain.
      sendEventStream(req, res, ['x'.repeat(4_000_000), 'last']);
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = 0; turn < 3; turn += 1) {
      const [response] = (await once(get({ port, agent }), 'response')) as [IncomingMessage];
      expect((await response.toArray()).join('').slice(-14)).toBe('\n\ndata: last\n\n');
    }
    expect(new Set(sockets).size).toBe(1);
    expect(new Set(listeners).size).toBe(1);
    agent.destroy();
  });

  it('raw writes wait for a slow reader and lose no event', async () => {
    let made = 0;
    const port = await listen((req, res) => {
      sendEventStream(req, res, function* () {
        for (; made < 500; made += 1) yield `${made} ${'x'.repeat(100_000)}`;
      });
    });
    const asked = request({ port, agent: false }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    // Poll until the source makes no progress: the buffers of Node and of the kernel are full.
    let seen = -1;
    await expect
      .poll(
        () => {
          const stands = made > 0 && made === seen;
          seen = made;
          return stands;
        },
        { interval: 100 },
      )
      .toBe(true);
    expect(made).toBeLessThan(200);
    const text = (await response.toArray()).join('');
    expect([...text.matchAll(/^data: (\d+) x/gm)].map(([, n]) => Number(n))).toEqual(
      Array.from({ length: 500 }, (_, n) => n),
    );
  });

  it('raw writes report a drain even if the first write already fills the buffer', async () => {
    let drains = 0;
    const port = await listenWith((sink) => {
      sink.listen({
        onDrain() {
          drains += 1;
          if (drains < 3) sink.write(Buffer.alloc(8_000_000));
          else sink.end();
        },
        onClose() {},
      });
      sink.write(Buffer.alloc(8_000_000));
    });
    const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Buffer>) bytes += part.byteLength;
    expect([drains, bytes]).toEqual([3, 24_000_000]);
  });

  it('raw writes cause no error if the client half-closes its socket', async () => {
    const errors: unknown[] = [];
    const closed = Promise.withResolvers<void>();
    const handler = toNodeHandler(
      toRequestTarget(() =>
        Promise.resolve({
          status: 200,
          headers: [],
          body: (sink) => {
            // Still being sent when the client closes its half: Node has ended the socket, but cannot close it yet.
            sink.write(Buffer.alloc(8_000_000));
            socketOf.promise.then(async (ended) => {
              await once(ended, 'end');
              sink.write(Buffer.from('more'));
              client.resume();
            }, errors.push);
          },
        }),
      ),
    );
    const socketOf = Promise.withResolvers<Socket>();
    const port = await listen((req, res) => {
      // If a request was read to its end, Node ends the socket instead of destroying it.
      req.resume();
      res.on('close', () => closed.resolve());
      handler(req, res);
      socketOf.resolve(req.socket);
    });
    servers[0]!.on('clientError', (error) => errors.push(error));
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.on('error', () => undefined);
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(client, 'readable');
    client.end();
    await closed.promise;
    expect(errors).toEqual([]);
  });
});

describe('a response that other code has ended', () => {
  const END = '0\r\n\r\n';
  const NEXT = 'GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

  it.each([true, false])(
    'an event stream writes nothing after other code ended its response, rawWrites: %s',
    async (rawWrites) => {
      const port = await listen((req, res) => {
        if (req.url === '/next') {
          res.end('next');
          return;
        }
        async function* events() {
          yield 'one';
          await new Promise((resolve) => setImmediate(resolve));
          // Like middleware that limits the time of a request.
          res.end();
          yield 'two';
          yield 'three';
        }
        sendEventStream(req, res, events(), { rawWrites });
      });
      const socket = connect(port, '127.0.0.1');
      let text = '';
      socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      while (!text.includes(END)) await once(socket, 'data');
      socket.write(NEXT);
      await once(socket, 'close');
      expect(text).toContain('data: one');
      expect(text.slice(text.indexOf(END) + END.length)).toMatch(/^HTTP\/1\.1 200 OK[^]*next$/);
    },
  );

  it('an event stream with a slow reader writes nothing after other code ended its response', async () => {
    let ended: (() => void) | undefined;
    const port = await listen((req, res) => {
      async function* events() {
        yield 'one';
        // Some bytes are buffered, but fewer than make the socket full.
        while (req.socket.writableLength === 0) {
          yield 'x'.repeat(8_000);
          await new Promise((resolve) => setImmediate(resolve));
        }
        res.end();
        yield 'after the end';
        ended?.();
      }
      sendEventStream(req, res, events());
    });
    const socket = connect(port, '127.0.0.1');
    socket.write(CLOSE);
    await once(socket, 'readable');
    await new Promise<void>((resolve) => (ended = resolve));
    let text = '';
    socket.on('data', (part: Buffer) => (text += part.toString('latin1')));
    await once(socket, 'close');
    expect(text.endsWith(END)).toBe(true);
    expect(text).not.toContain('after the end');
  });
});
