import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type Server as HttpServer } from 'node:http';
import http2 from 'node:http2';
import { connect, type AddressInfo, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeOnSignal, type ClosableFeed } from './close-on-signal.ts';

const script = fileURLToPath(new URL('../../../../test-kit/closing-server.ts', import.meta.url));

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

interface Started {
  readonly port: number;
  readonly exited: Promise<unknown[]>;
  /** Everything that it printed after its port. */
  readonly output: () => string;
}

async function start(kind: 'http' | 'http2' | 'cluster', graceMs: number): Promise<Started> {
  const started = spawn(process.execPath, [script, kind, String(graceMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child = started;
  const exited = once(started, 'exit');
  let output = '';
  const [port] = (await once(started.stdout.setEncoding('utf8'), 'data')) as [string];
  started.stdout.on('data', (part: string) => (output += part));
  return { port: Number(port), exited, output: () => output };
}

async function open(port: number, agent: Agent, path = '/events/notice'): Promise<IncomingMessage> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent }), 'response')) as [
    IncomingMessage,
  ];
  return response;
}

describe('a process with closeOnSignal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'a process with closeOnSignal ends on %s after it sent reconnect to its clients',
    async (signal) => {
      const { port, exited, output } = await start('http', 60_000);
      const agent = new Agent({ keepAlive: true });
      // Kept and idle: it would hold the server for its keep-alive timeout.
      (await open(port, agent, '/page')).resume();
      const stream = await open(port, agent);
      // No request is ever sent on it.
      const silent = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(silent, 'connect');
      child!.kill(signal);
      expect(await text(stream)).toContain('"reason":"drain"');
      expect(await exited).toEqual([0, null]);
      expect(output()).toBe(`${signal}\nclosed\n`);
      agent.destroy();
    },
  );

  it('closeOnSignal cuts connections that are still open after the grace', async () => {
    const { port, exited } = await start('http', 0);
    const agent = new Agent({ keepAlive: true });
    const silent = connect(port, '127.0.0.1').on('error', () => undefined);
    await once(silent, 'connect');
    const hanging = await open(port, agent, '/hang');
    const cut = text(hanging).catch((error: NodeJS.ErrnoException) => error.code);
    child!.kill('SIGTERM');
    expect(await cut).toBe('ECONNRESET');
    expect(await exited).toEqual([0, null]);
    agent.destroy();
    silent.destroy();
  });

  it('closeOnSignal ends HTTP/2 sessions', async () => {
    const { port, exited } = await start('http2', 60_000);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const idle = http2.connect(`http://127.0.0.1:${port}`);
    await once(idle, 'remoteSettings');
    const stream = session.request({ ':path': '/events/notice' });
    await once(stream, 'response');
    const closed = Promise.all([once(session, 'close'), once(idle, 'close')]);
    child!.kill('SIGTERM');
    expect(await text(stream)).toContain('"reason":"drain"');
    expect(await exited).toEqual([0, null]);
    await closed;
  });

  it('a cluster worker with closeOnSignal ends on SIGTERM', async () => {
    const { port, exited, output } = await start('cluster', 60_000);
    const agent = new Agent({ keepAlive: true });
    const stream = await open(port, agent);
    child!.kill('SIGTERM');
    expect(await text(stream)).toContain('"reason":"drain"');
    expect(await exited).toEqual([0, null]);
    expect(output()).toBe('SIGTERM\nclosed\n');
    agent.destroy();
  });

  it('a process with closeOnSignal ends immediately on a second signal', async () => {
    const { port, exited, output } = await start('http', 600_000);
    const agent = new Agent();
    (await open(port, agent, '/hang')).on('error', () => undefined);
    child!.kill('SIGINT');
    await vi.waitFor(() => expect(output()).toBe('SIGINT\n'));
    await new Promise((resolve) => setTimeout(resolve, 600));
    child!.kill('SIGTERM');
    expect(await exited).toEqual([143, null]);
    agent.destroy();
  });
});

describe('closeOnSignal', () => {
  const signals = ['SIGUSR2'] as const;
  const receive = (): boolean => process.emit('SIGUSR2', 'SIGUSR2');

  async function listen(server: Server): Promise<Server> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  function createFake(): ClosableFeed & { readonly graces: number[] } {
    const graces: number[] = [];
    return { graces, close: async ({ graceMs }) => void graces.push(graceMs) };
  }

  it('closeOnSignal closes every feed once and then its server, and removes its handlers', async () => {
    const server = await listen(createServer());
    const feeds = [createFake(), createFake()];
    const before = process.listenerCount('SIGUSR2');
    await new Promise<void>((resolve) => {
      closeOnSignal(server, feeds, { signals, graceMs: 5, onClosed: resolve });
      receive();
      // The same Ctrl-C, forwarded by a package manager.
      receive();
    });
    expect(feeds.map(({ graces }) => graces)).toEqual([[5], [5]]);
    expect([server.listening, process.listenerCount('SIGUSR2')]).toEqual([false, before]);
  });

  it('a removed closeOnSignal does nothing', async () => {
    const server = await listen(createServer());
    const feed = createFake();
    const before = process.listenerCount('SIGUSR2');
    closeOnSignal(server, feed, { signals })();
    expect(process.listenerCount('SIGUSR2')).toBe(before);
    expect([server.listenerCount('session'), server.listening, feed.graces]).toEqual([0, true, []]);
    server.close();
  });

  it.each(['before its head', 'after its head'])(
    'closeOnSignal ends the connection of a response in progress without its keep-alive timeout, %s',
    async (moment) => {
      const server = await listen(
        createServer((_req, res) => {
          if (moment === 'after its head') res.write('s');
          else res.setHeader('content-length', 4);
          finish = () => res.end(moment === 'after its head' ? 'low' : 'slow');
        }),
      );
      (server as HttpServer).keepAliveTimeout = 0;
      let finish = (): void => undefined;
      const agent = new Agent({ keepAlive: true });
      const closed = new Promise<void>((resolve) => {
        closeOnSignal(server, createFake(), { signals, graceMs: 600_000, onClosed: resolve });
      });
      const asked = open((server.address() as AddressInfo).port, agent);
      await once(server, 'request');
      receive();
      await new Promise((resolve) => setImmediate(resolve));
      finish();
      expect(await text(await asked)).toBe('slow');
      await closed;
      agent.destroy();
    },
  );

  it('closeOnSignal adds no request or stream listener to an HTTP/2 server', async () => {
    const server = await listen(http2.createServer());
    closeOnSignal(server, createFake(), { signals });
    expect([server.listenerCount('request'), server.listenerCount('stream')]).toEqual([0, 0]);
    const closed = once(server, 'close');
    receive();
    await closed;
  });

  it('closeOnSignal reports a feed whose close fails, and closes its server', async () => {
    const reported = vi.spyOn(console, 'error').mockReturnValue();
    const server = await listen(createServer());
    const failure = new Error('no');
    await new Promise<void>((resolve) => {
      closeOnSignal(server, { close: () => Promise.reject(failure) }, { signals, onClosed: resolve });
      receive();
    });
    expect(reported.mock.calls).toEqual([['linefeed:', failure]]);
  });

  it('closeOnSignal refuses invalid arguments and names them', () => {
    const server = createServer();
    expect(() => closeOnSignal({} as never, createFake())).toThrow('takes a server of node:http');
    expect(() => closeOnSignal(server, {} as never)).toThrow('is a feed, or an array of feeds');
    expect(() => closeOnSignal(server, createFake(), { grace: 1 } as never)).toThrow('no option "grace"');
    expect(() => closeOnSignal(server, createFake(), { graceMs: -1 })).toThrow('0 or more, not -1');
  });
});
