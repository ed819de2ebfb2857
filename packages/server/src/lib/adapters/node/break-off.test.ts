import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventStreamOptions, StreamEnd } from '../../event-stream/options.ts';
import { eventStream } from '../fetch.ts';
import { sendEventStream, type NodeOptions, type NodeRequest, type NodeResponse } from './node-handler.ts';

const secret = new Error('password=hunter2');
const LARGE = 'x'.repeat(300_000);

const cleanups: Array<() => unknown> = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function* failing(): AsyncGenerator<string> {
  yield 'half';
  throw secret;
}

async function* failingAfterLarge(): AsyncGenerator<string> {
  yield LARGE;
  throw secret;
}

interface Served {
  readonly port: number;
  readonly ends: StreamEnd[];
  readonly sockets: Set<Socket>;
  readonly listener: (req: NodeRequest, res: NodeResponse) => void;
}

function createApp(
  options: EventStreamOptions & NodeOptions,
  content: () => AsyncGenerator<string> = failing,
): Pick<Served, 'ends' | 'listener'> {
  const ends: StreamEnd[] = [];
  return {
    ends,
    listener: (req, res) => {
      const hooks = { onClose: (end: StreamEnd) => void ends.push(end), onError: () => undefined };
      if (req.url === '/whole') sendEventStream(req, res, ['whole'], options);
      else sendEventStream(req, res, content, { ...hooks, ...options });
    },
  };
}

async function serve1(...app: Parameters<typeof createApp>): Promise<Served> {
  const { ends, listener } = createApp(...app);
  const server = createServer(listener).listen(0, '127.0.0.1');
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return { ends, listener, sockets, port: (server.address() as AddressInfo).port };
}

interface Read {
  readonly text: string;
  readonly complete: boolean;
  readonly code: string | undefined;
}

async function get1(port: number, path = '/', agent: Agent | false = false): Promise<Read> {
  const asked = request({ port, path, agent }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  let code: string | undefined;
  response.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
  await new Promise((resolve) => response.once('close', resolve));
  return { text, code, complete: response.complete };
}

/** All bytes that a socket receives after it sent `sent`, and the code of its error. */
async function exchange(port: number, sent: string): Promise<{ text: string; code: string | undefined }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  let code: string | undefined;
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
  socket.write(sent);
  await new Promise((resolve) => socket.once('close', resolve));
  return { text, code };
}

describe.each([true, false])('over HTTP/1.1 with rawWrites: %j, a source that fails', (rawWrites) => {
  it('a failed source breaks off its HTTP/1.1 body, and onClose gets "failed" once', async () => {
    const { port, ends } = await serve1({ rawWrites });
    expect(await get1(port)).toEqual({ text: ': \n\ndata: half\n\n', code: 'ECONNRESET', complete: false });
    await expect.poll(() => ends).toEqual([{ reason: 'failed', error: secret }]);
  });

  it('a failed source makes the body of fetch fail over HTTP/1.1', async () => {
    const { port } = await serve1({ rawWrites });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow('terminated');
  });

  it('a failed source omits the last chunk of its body, and sends everything before it', async () => {
    const { port } = await serve1({ rawWrites }, failingAfterLarge);
    const { text } = await exchange(port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    expect(text).toContain(`data: ${LARGE}\n\n`);
    expect(text.endsWith('\r\n0\r\n\r\n')).toBe(false);
  });

  it('the HTTP/1.1 connection of a failed source is not used again', async () => {
    const { port, sockets } = await serve1({ rawWrites });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    expect(await get1(port, '/whole', agent)).toMatchObject({ complete: true });
    expect(await get1(port, '/', agent)).toMatchObject({ complete: false });
    expect(sockets.size).toBe(1);
    expect(await get1(port, '/whole', agent)).toEqual({
      text: ': \n\ndata: whole\n\n',
      code: undefined,
      complete: true,
    });
    expect([sockets.size, [...sockets][0]!.destroyed]).toEqual([2, true]);
  });

  it('a failed source breaks off after the complete response to an earlier pipelined request', async () => {
    const { port, ends } = await serve1({ rawWrites });
    const { text } = await exchange(
      port,
      'GET /whole HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n',
    );
    expect(text).toMatch(/data: whole\n\n\r\n0\r\n\r\nHTTP\/1\.1 200[^]*data: half\n\n\r\n$/);
    await expect.poll(() => ends).toEqual([{ reason: 'failed', error: secret }]);
  });

  it('a failed source waits for the pending response to an earlier pipelined request, then breaks off', async () => {
    const failed = Promise.withResolvers<unknown>();
    async function* untilFailed(): AsyncGenerator<string> {
      await failed.promise;
      yield 'whole';
    }
    const server = createServer((req, res) => {
      if (req.url === '/slow') sendEventStream(req, res, untilFailed, { rawWrites });
      else sendEventStream(req, res, failing, { rawWrites, onError: failed.resolve });
    }).listen(0, '127.0.0.1');
    cleanups.push(() => {
      server.close();
      server.closeAllConnections();
    });
    await once(server, 'listening');
    const { text } = await exchange(
      (server.address() as AddressInfo).port,
      'GET /slow HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n',
    );
    expect(text).toMatch(/data: whole\n\n\r\n0\r\n\r\nHTTP\/1\.1 200[^]*data: half\n\n\r\n$/);
  });

  it('a failed source resets the connection of an HTTP/1.0 request', async () => {
    const { port } = await serve1({ rawWrites });
    const { text, code } = await exchange(port, 'GET / HTTP/1.0\r\n\r\n');
    expect([text.endsWith(': \n\ndata: half\n\n'), code]).toEqual([true, 'ECONNRESET']);
  });

  it('a failed source ends its body cleanly after the frame of a failure function', async () => {
    const { port, ends } = await serve1({ rawWrites, failure: () => ({ error: { message: 'It failed.' } }) });
    expect(await get1(port)).toEqual({
      text: ': \n\ndata: half\n\ndata: {"error":{"message":"It failed."}}\n\n',
      code: undefined,
      complete: true,
    });
    await expect.poll(() => ends).toEqual([{ reason: 'failed', error: secret }]);
  });
});

describe('over HTTP/2', () => {
  async function serve2(...app: Parameters<typeof createApp>): Promise<{
    session: ClientHttp2Session;
    ends: StreamEnd[];
  }> {
    const { ends, listener } = createApp(...app);
    return { ends, session: await connect2(listener) };
  }

  async function connect2(listener: Served['listener']): Promise<ClientHttp2Session> {
    const server = http2.createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    cleanups.push(() => {
      session.destroy();
      server.close();
    });
    return session;
  }

  async function get2(
    session: ClientHttp2Session,
    path = '/',
    startsToRead: Promise<unknown> = Promise.resolve(),
  ): Promise<{ text: string; rstCode: number | undefined; code: string | undefined }> {
    const stream = session.request({ ':path': path });
    let text = '';
    let code: string | undefined;
    stream.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
    const closed = new Promise((resolve) => stream.once('close', resolve));
    await startsToRead;
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await closed;
    return { text, code, rstCode: stream.rstCode };
  }

  it.each([
    ['an event that fits the window', failing, 'half'],
    ['an event larger than the window', failingAfterLarge, LARGE],
  ])('a failed source resets its HTTP/2 stream after its last event: %s', async (_, content, data) => {
    const { session, ends } = await serve2({}, content);
    expect(await get2(session)).toEqual({
      text: `: \n\ndata: ${data}\n\n`,
      rstCode: http2.constants.NGHTTP2_INTERNAL_ERROR,
      code: 'ERR_HTTP2_STREAM_ERROR',
    });
    await expect.poll(() => ends).toEqual([{ reason: 'failed', error: secret }]);
    // Other requests of the session continue.
    expect(await get2(session, '/whole')).toMatchObject({ text: ': \n\ndata: whole\n\n', rstCode: 0 });
  });

  it('a failed source resets its HTTP/2 stream only after a slow reader has read its events', async () => {
    const failed = Promise.withResolvers<unknown>();
    const session = await connect2((req, res) => {
      async function* largeAndSmall(): AsyncGenerator<string> {
        yield 'x'.repeat(60_000);
        // The window of the reader has 65,535 bytes: a part of the second event waits in the server.
        const { stream } = res as http2.Http2ServerResponse;
        while (stream.writableLength > 0) await new Promise((resolve) => setImmediate(resolve));
        yield 'y'.repeat(10_000);
        throw secret;
      }
      sendEventStream(req, res, largeAndSmall, { onError: failed.resolve });
    });
    expect(await get2(session, '/', failed.promise)).toEqual({
      text: `: \n\ndata: ${'x'.repeat(60_000)}\n\ndata: ${'y'.repeat(10_000)}\n\n`,
      rstCode: http2.constants.NGHTTP2_INTERNAL_ERROR,
      code: 'ERR_HTTP2_STREAM_ERROR',
    });
  });

  it('a stalled HTTP/2 reader gets a reset instead of the end of a complete body', async () => {
    const { session, ends } = await serve2({ stallTimeoutMs: 50 }, failingAfterLarge);
    const stalled = expect.poll(() => ends, { timeout: 10_000 }).toMatchObject([{ reason: 'stalled' }]);
    expect(await get2(session, '/', stalled)).toMatchObject({
      rstCode: http2.constants.NGHTTP2_INTERNAL_ERROR,
      code: 'ERR_HTTP2_STREAM_ERROR',
    });
  });
});

describe('eventStream', () => {
  const ask = (): Request => new Request('http://a.test/');

  it('a failed source makes the body of eventStream fail after its last bytes, without the cause', async () => {
    const ends: StreamEnd[] = [];
    const response = eventStream(failingAfterLarge, {
      request: ask(),
      onError: () => undefined,
      onClose: (end) => void ends.push(end),
    });
    let text = '';
    const thrown = await (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
      return undefined;
    })().catch((error: unknown) => error);
    expect(text).toBe(`: \n\ndata: ${LARGE}\n\n`);
    expect(thrown).toMatchObject({
      code: 'source_failed',
      message: 'The source of the event stream failed.',
    });
    expect((thrown as Error).cause).toBeUndefined();
    await expect.poll(() => ends).toEqual([{ reason: 'failed', error: secret }]);
  });

  it('eventStream keeps unread bytes when its source fails', async () => {
    const failed = Promise.withResolvers<unknown>();
    const ended = Promise.withResolvers<StreamEnd>();
    const response = eventStream(failing, {
      request: ask(),
      onError: failed.resolve,
      onClose: ended.resolve,
    });
    await failed.promise;
    const reader = response.body!.getReader();
    const decode = new TextDecoder();
    let text = '';
    for (let chunks = 0; chunks < 2; chunks += 1) text += decode.decode((await reader.read()).value);
    expect(text).toBe(': \n\ndata: half\n\n');
    await expect(reader.read()).rejects.toMatchObject({ code: 'source_failed' });
    expect(await ended.promise).toEqual({ reason: 'failed', error: secret });
  });

  it('eventStream ends its body without an error if the request is aborted after the source failed', async () => {
    const leaving = new AbortController();
    const failed = Promise.withResolvers<unknown>();
    const ended = Promise.withResolvers<StreamEnd>();
    const request = new Request('http://a.test/', { signal: leaving.signal });
    const response = eventStream(failing, { request, onError: failed.resolve, onClose: ended.resolve });
    await failed.promise;
    leaving.abort();
    expect(await response.text()).toBe(': \n\ndata: half\n\n');
    expect(await ended.promise).toEqual({ reason: 'failed', error: secret });
  });
});
