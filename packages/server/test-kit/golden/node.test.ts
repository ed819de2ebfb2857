import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, it } from 'vitest';
import { sendEventStream, toNodeHandler, type NodeHandler } from '@linefeed/server/node';
import { createBoardFeed } from './board.ts';
import { sendRaw, type RawExchange } from './raw-exchange.ts';
import { expectRecordAfterClose, expectRecord, Session } from './session.ts';

const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const isWhole = (text: string) => (exchange: RawExchange) => exchange.has(text);
const whole = { isDone: isWhole('}') };
const ended = { isDone: (exchange: RawExchange) => exchange.isEnded };
const closed = { isDone: (exchange: RawExchange) => exchange.isClosed };

// Both ways of writing give the same bytes.
it.each([true, false])(
  'the bytes of a feed through node:http are those of the record, with rawWrites %s',
  async (rawWrites) => {
    const session = new Session();
    const feed = createBoardFeed(session, {
      cors: { origins: ['https://app.test'] },
      context: (_request, reply) => {
        reply.headers.append('set-cookie', 'b=2');
        reply.headers.append('set-cookie', 'c=3');
      },
    });
    const handler: NodeHandler = toNodeHandler(feed, { rawWrites });
    const port = await serve((req, res) => {
      res.setHeader('X-Before', 'middleware');
      res.setHeader('Vary', 'Accept-Encoding');
      res.setHeader('Set-Cookie', 'a=1');
      handler(req, res);
    });
    const a = await sendRaw(
      session,
      port,
      ['GET /events?topic=notice&topic=price%3Fsymbol%3DA HTTP/1.1', 'origin: https://app.test'],
      { isDone: isWhole('"address":"price?symbol=A"'), stays: true },
    );
    await sendRaw(session, port, ['GET /events/report?year=2026 HTTP/1.1'], ended);
    await session.step(
      'publish a batch',
      async () => {
        await Promise.all([
          feed.publish('notice', { text: 'é\n😀' }),
          feed.publish('price', { symbol: 'A' }, { bid: 1 }),
        ]);
      },
      () => a.has('"bid":1'),
    );
    await session.step(
      '15000 ms pass',
      () => session.clock.advance(15_000),
      () => a.has('linefeed.ping'),
    );
    await sendRaw(session, port, ['POST /events HTTP/1.1'], {
      body: JSON.stringify({ connection: a.id, n: 1, add: [{ address: 'room?name=a', key: 'r' }] }),
      isDone: () => a.has('"n":1'),
    });
    await sendRaw(session, port, ['HEAD /events/notice HTTP/1.1']);
    await sendRaw(session, port, ['HEAD /events/nothing HTTP/1.1']);
    await sendRaw(session, port, ['GET /elsewhere HTTP/1.1'], whole);
    await sendRaw(session, port, ['GET /events/nothing HTTP/1.1'], whole);
    await sendRaw(session, port, ['PUT /events/notice HTTP/1.1'], whole);
    await sendRaw(session, port, ['OPTIONS /events HTTP/1.1', 'origin: https://app.test']);
    await sendRaw(session, port, ['GET /events/report?year=2026 HTTP/1.1', 'last-event-id: ~!']);
    await session.step(
      'disconnect',
      () => feed.disconnect(() => true),
      () => a.isClosed,
    );
    const last = await sendRaw(session, port, ['GET /events/notice HTTP/1.1'], {
      isDone: isWhole('linefeed.subscribed'),
      stays: true,
    });
    await session.step(
      'close',
      () => feed.close(),
      () => last.isClosed,
    );
    await sendRaw(session, port, ['GET /events/notice HTTP/1.1'], closed);
    await sendRaw(session, port, ['POST /events HTTP/1.1'], {
      body: '{"topics":[{"address":"notice"}]}',
      ...closed,
    });
    expectRecord(session, 'node-http');
  },
);

it.each([true, false])(
  'the bytes of an event stream through node:http are those of the record, with rawWrites %s',
  async (rawWrites) => {
    const session = new Session();
    const port = await serve((req, res) => {
      res.setHeader('X-Before', 'middleware');
      const options = { clock: session.clock, rawWrites, onError: () => undefined };
      if (req.url === '/fails') {
        const content = function* (): Generator<string> {
          yield 'one';
          throw new Error('hidden');
        };
        return sendEventStream(req, res, content, options);
      }
      sendEventStream(req, res, ['one', { two: 2 }], {
        ...options,
        retryMs: 500,
        headers: { 'X-Own': 'yes' },
        cookies: { a: 'b' },
      });
    });
    await sendRaw(session, port, ['GET / HTTP/1.1'], ended);
    await sendRaw(session, port, ['HEAD / HTTP/1.1']);
    await sendRaw(session, port, ['GET / HTTP/1.1', 'accept: text/event-stream;q=0'], whole);
    await sendRaw(session, port, ['GET /fails HTTP/1.1'], closed);
    expectRecord(session, 'node-event-stream');
  },
);

it('the bytes of a feed through node:http2 are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { cors: { origins: ['https://app.test'] } });
  const server = createHttp2Server(toNodeHandler(feed));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  closers.push(async () => {
    peer.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const send = async (
    headers: Record<string, string>,
    isDone: (text: string) => boolean,
  ): Promise<{ readonly text: string; readonly isOver: boolean }> => {
    const name = session.nextName();
    const state = { head: [] as string[], text: '', isOver: false };
    let flushed = 0;
    let hasHead = false;
    let hasEnd = false;
    const stream = peer.request({ ...headers, ':authority': 'feed.test' });
    stream.setEncoding('utf8');
    stream.on('response', (_headers, _flags, rawHeaders: string[]) => {
      for (let at = 0; at < rawHeaders.length; at += 2) {
        state.head.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
      }
    });
    stream.on('data', (text) => (state.text += String(text)));
    stream.on('end', () => (state.isOver = true));
    stream.end();
    session.begin(
      name,
      {
        flush(transcript) {
          if (!hasHead && state.head.length > 0) transcript.head(name, '<', state.head);
          hasHead ||= state.head.length > 0;
          transcript.body(name, state.text.slice(flushed));
          flushed = state.text.length;
          if (state.isOver && !hasEnd) transcript.remark(name, 'the response ends');
          hasEnd ||= state.isOver;
        },
      },
      Object.entries(headers).map(([key, value]) => `${key}: ${value}`),
    );
    await session.settle(() => state.head.length > 0 && (isDone(state.text) || state.isOver));
    return state;
  };
  const never = (): boolean => false;
  const a = await send(
    { ':path': '/events?topic=notice&topic=room%3Fname%3Da', origin: 'https://app.test' },
    (text) => text.includes('"address":"room?name=a"'),
  );
  await session.step(
    'publish',
    () => feed.publish('notice', { text: 'é' }),
    () => a.text.includes('é'),
  );
  await send({ ':path': '/events/nothing' }, never);
  await send({ ':path': '/events/nothing', ':method': 'HEAD' }, never);
  await session.step(
    'disconnect',
    () => feed.disconnect(() => true),
    () => a.isOver,
  );
  await expectRecordAfterClose(session, feed, 'node-http2');
});
