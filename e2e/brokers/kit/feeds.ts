/** Starts, drives and kills processes of feed-process.ts. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../kit/free-port.ts';
import { epochOf } from './count.ts';
import type { Command, Mode, Outcome, Report } from './feed-process.ts';
import { LOG_VARIABLE, type LogSpec } from './log-spec.ts';

/** The numbers that one process publishes in order: 1, 2, 3 and so on. */
export interface Run {
  readonly name: string;
  /** Each outcome so far, in the order of their arrival. */
  readonly outcomes: readonly Outcome[];
  /** The numbers that the log acknowledged, with the epoch of each if it is known. */
  readonly acknowledged: ReadonlyMap<number, string | undefined>;
  /** Stops publishing; resolves when each call has its outcome. */
  stop(): Promise<void>;
}

export interface FeedProcess {
  readonly port: number;
  readonly origin: string;
  /** What `onError` got, and the text of its error output. */
  readonly errors: readonly string[];
  /** Begins to publish. Default: every 10 ms, each number until it is acknowledged. */
  publish(run: string, options?: { everyMs?: number; mode?: Mode }): Run;
  /** Like a machine that loses power. */
  kill(): Promise<void>;
}

export interface FeedOptions {
  readonly log: LogSpec;
  /** Default: any free one. */
  readonly port?: number;
}

export async function startFeed({ log, port }: FeedOptions): Promise<FeedProcess> {
  const child = fork(new URL('feed-process.ts', import.meta.url), [String(port ?? (await freePort()))], {
    // vitest sets options for its own workers.
    execArgv: [],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      [LOG_VARIABLE]: JSON.stringify(log),
    },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const errors: string[] = [];
  // One for each run.
  child.setMaxListeners(0);
  child.stderr!.on('data', (text) => errors.push(String(text)));
  child.on('message', (message: Report) => {
    if (message.type === 'error') errors.push(message.message);
  });
  const listening = await reported(child, 'listening', errors);
  return {
    port: listening.port,
    origin: `http://127.0.0.1:${listening.port}`,
    errors,
    publish(name, { everyMs = 10, mode = 'repeat' } = {}) {
      const outcomes: Outcome[] = [];
      const acknowledged = new Map<number, string | undefined>();
      child.on('message', (message: Report) => {
        if (message.type !== 'outcome' || message.run !== name) return;
        outcomes.push(message);
        const { n, cursor, error } = message;
        if (error === undefined) acknowledged.set(n, cursor === undefined ? cursor : epochOf(cursor));
      });
      child.send({ type: 'publish', run: name, everyMs, mode } satisfies Command);
      let stopped: Promise<unknown> | undefined;
      return {
        name,
        outcomes,
        acknowledged,
        async stop() {
          // A killed process publishes nothing more.
          if (!child.connected) return;
          stopped ??= reported(child, 'stopped', errors, ({ run }) => run === name);
          child.send({ type: 'stop', run: name } satisfies Command);
          await stopped;
        },
      };
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function reported<T extends Report['type']>(
  child: ChildProcess,
  type: T,
  errors: readonly string[],
  fits: (message: Extract<Report, { type: T }>) => boolean = () => true,
): Promise<Extract<Report, { type: T }>> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Report): void => {
      if (message.type !== type || !fits(message as Extract<Report, { type: T }>)) return;
      settle();
      resolve(message as Extract<Report, { type: T }>);
    };
    const onExit = (): void => {
      settle();
      reject(new Error(`The feed process ended before it reported "${type}". ${errors.join('\n')}`));
    };
    const settle = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
