import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { StreamEnd } from '../../event-stream/options.ts';
import { sendEventStream } from './node-handler.ts';

/** Number of cycles. An environment variable can set another one. */
const CYCLES = Number(process.env['LINEFEED_CYCLES'] ?? 1_000);

let server: Server | undefined;

afterEach(async () => {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
});

async function listen(listener: RequestListener): Promise<number> {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function ask(port: number): Promise<IncomingMessage> {
  const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
  return response;
}

/** All text that a socket receives after it sent `text`. */
async function exchange(port: number, text: string): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => (answer += chunk));
  await once(socket, 'close');
  return answer;
}

describe('sendEventStream', () => {
  it.each<[string, unknown[]]>([
    ['no arguments', []],
    ['no response', [{ headers: {} }, ['x']]],
    ['the arguments in another order', [['x'], { headers: {} }, {}]],
  ])('sendEventStream with %s throws an error that lists its arguments', (_, args) => {
    expect(() => (sendEventStream as (...all: unknown[]) => void)(...args)).toThrow(
      "sendEventStream takes Node's request and response, and the content.",
    );
  });

  it('sendEventStream keeps headers of middleware, but its own headers and header options take precedence', async () => {
    const port = await listen((req, res) => {
      res.setHeader('X-Middleware', 'kept');
      res.setHeader('X-Both', 'middleware');
      res.setHeader('Cache-Control', 'public');
      res.setHeader('Content-Type', 'application/json');
      res.setHeader('Content-Length', '3');
      res.setHeader('Vary', 'Origin');
      res.setHeader('Set-Cookie', ['a=1', 'b=2']);
      sendEventStream(req, res, ['x'], {
        headers: { 'x-both': 'option', vary: 'Cookie' },
        cookies: { c: '3' },
      });
    });
    const response = await ask(port);
    expect(response.headers).toMatchObject({
      'x-middleware': 'kept',
      'x-both': 'option',
      'cache-control': 'no-store, no-transform',
      'content-type': 'text/event-stream; charset=utf-8',
      vary: 'Origin, Cookie',
      'set-cookie': ['a=1', 'b=2', 'c=3'],
    });
    expect(response.headers['content-length']).toBeUndefined();
    expect((await response.toArray()).join('')).toBe(': \n\ndata: x\n\n');
  });

  it('sendEventStream throws if the response head is already sent', async () => {
    const thrown: unknown[] = [];
    const port = await listen((req, res) => {
      res.write('x');
      try {
        sendEventStream(req, res, ['x']);
      } catch (error) {
        thrown.push(error);
      }
      res.end();
    });
    await (await ask(port)).toArray();
    expect(thrown).toEqual([
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining('sent already') }),
    ]);
  });

  it('sendEventStream ends the source and calls onClose if setting a header throws', async () => {
    const ends: StreamEnd[] = [];
    const log: string[] = [];
    const port = await listen((req, res) => {
      const { setHeader } = res;
      res.setHeader = () => {
        throw new Error('middleware');
      };
      try {
        const onClose = (end: StreamEnd): void => void ends.push(end);
        sendEventStream(
          req,
          res,
          ({ signal }) => {
            signal.addEventListener('abort', () => log.push('aborted'));
            return {
              next: () => Promise.reject(new Error('started')),
              return: () => log.push('returned') as never,
            };
          },
          { onClose },
        );
      } catch (error) {
        log.push((error as Error).message);
      }
      res.setHeader = setHeader;
      res.end();
    });
    await (await ask(port)).toArray();
    expect(log).toEqual(['aborted', 'returned', 'middleware']);
    expect(ends).toMatchObject([{ reason: 'failed', error: { message: 'middleware' } }]);
  });

  it('sendEventStream throws for invalid content, and the caller can still use the response', async () => {
    const port = await listen((req, res) => {
      try {
        sendEventStream(req, res, 7 as unknown as string);
      } catch (error) {
        res.statusCode = 418;
        res.end((error as { code: string }).code);
      }
    });
    const response = await ask(port);
    expect([response.statusCode, (await response.toArray()).join('')]).toEqual([418, 'invalid_content']);
  });

  it('sendEventStream sends no chunks over HTTP/1.0 and ends with the connection', async () => {
    const port = await listen((req, res) => sendEventStream(req, res, ['x']));
    const answer = await exchange(port, 'GET / HTTP/1.0\r\n\r\n');
    expect(answer.toLowerCase()).not.toContain('transfer-encoding');
    expect(answer).toMatch(/\r\n\r\n: \n\ndata: x\n\n$/);
  });

  it('sendEventStream answers pipelined requests one after the other', async () => {
    const port = await listen((req, res) => sendEventStream(req, res, [req.url ?? '']));
    const answer = await exchange(
      port,
      'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    );
    expect(answer.match(/data: \/\d/g)).toEqual(['data: /1', 'data: /2']);
  });

  it('sendEventStream starts no source if the client left before the call', async () => {
    const source = vi.fn(() => ['x']);
    const ended = new Promise<StreamEnd>((resolve) => {
      void listen((req, res) => {
        res.on('close', () => setTimeout(() => sendEventStream(req, res, source, { onClose: resolve }), 5));
      }).then(async (port) => {
        const request = get({ port, agent: false });
        request.on('error', () => undefined);
        await once(server!, 'request');
        request.destroy();
      });
    });
    expect(await ended).toEqual({ reason: 'client' });
    expect(source).not.toHaveBeenCalled();
  });

  it('sendEventStream cuts a stalled reader even after the source ended', async () => {
    const ends: StreamEnd[] = [];
    const port = await listen((req, res) =>
      sendEventStream(req, res, ['x'.repeat(16_000_000)], {
        stallTimeoutMs: 100,
        onClose: (end) => void ends.push(end),
      }),
    );
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await expect.poll(() => ends, { timeout: 5_000 }).toEqual([{ reason: 'stalled' }]);
    socket.destroy();
  });

  it(`sendEventStream leaks no heap and no handles over ${CYCLES} connects and disconnects`, async () => {
    const script = fileURLToPath(new URL('../../../../test-kit/churn.ts', import.meta.url));
    const run = promisify(execFile);
    // In a separate process: the leak detection of the test run retains every socket.
    const { stdout } = await run(process.execPath, ['--expose-gc', script, String(CYCLES)]);
    const left = JSON.parse(stdout) as { bytesPerCycle: number; handles: number };
    expect(left.handles).toBe(0);
    // A retained response takes more than 5,000 bytes.
    expect(left.bytesPerCycle).toBeLessThan(500);
  }, 60_000);
});
