/** Starts, drives and kills servers of feed-server.ts. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Command, Report } from './feed-server.ts';
import { freePort } from './free-port.ts';

export interface ServerProcess {
  readonly port: number;
  /** Publishes the numbers of a range to `notice` and to `room?name=a`; resolves when the last was published. */
  publish(from: number, to: number, everyMs?: number): Promise<void>;
  /** Tells its clients to reconnect over the grace, and ends. */
  drain(graceMs: number): Promise<void>;
  /** Stops listening and tells its clients to reconnect. The process stays, with the connections that clients keep. */
  close(): Promise<void>;
  /** Like a process manager: sends the signal and resolves when the process has ended. */
  terminate(signal: NodeJS.Signals): Promise<void>;
  /** Like a machine that loses power: no client gets a frame. */
  kill(): Promise<void>;
}

export interface ServerOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** Path of the page's script. */
  readonly bundle?: string;
  /** Included in every payload. */
  readonly run?: string;
  readonly pingMs?: number;
  /** The announced timeout. Default: 2 pings and 5 s. */
  readonly timeoutMs?: number;
  /** File of a `sqliteLog`. Default: a `memoryLog`. */
  readonly logPath?: string;
}

export async function startServer({
  port,
  bundle = '',
  run = 'first',
  pingMs = 15_000,
  logPath = '',
  timeoutMs,
}: ServerOptions = {}): Promise<ServerProcess> {
  const child = fork(
    new URL('feed-server.ts', import.meta.url),
    [String(port ?? (await freePort())), bundle, run, String(pingMs), logPath, String(timeoutMs ?? '')],
    {
      // vite sets it to production when it builds the page.
      env: { ...process.env, NODE_ENV: 'test' },
    },
  );
  const listening = await report(child, 'listening');
  return {
    port: listening.port,
    async publish(from, to, everyMs = 0) {
      if (!child.connected) throw new Error('The server has ended.');
      const published = report(child, 'published', (message) => message.to === to);
      // If the process ends in that time, its exit is reported instead.
      child.send({ type: 'publish', from, to, everyMs } satisfies Command, () => undefined);
      await published;
    },
    async drain(graceMs) {
      const gone = once(child, 'exit');
      child.send({ type: 'drain', graceMs } satisfies Command);
      await gone;
    },
    async close() {
      const closed = report(child, 'closed');
      child.send({ type: 'close' } satisfies Command);
      await closed;
    },
    async terminate(signal) {
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function report<T extends Report['type']>(
  child: ChildProcess,
  type: T,
  fits: (message: Extract<Report, { type: T }>) => boolean = () => true,
): Promise<Extract<Report, { type: T }>> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Report): void => {
      if (message.type !== type || !fits(message as Extract<Report, { type: T }>)) return;
      settle();
      resolve(message as Extract<Report, { type: T }>);
    };
    const onExit = (code: number | null): void => {
      settle();
      reject(new Error(`The server ended with ${code} before it reported "${type}".`));
    };
    const settle = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
