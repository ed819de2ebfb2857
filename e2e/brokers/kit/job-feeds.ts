/** Starts, calls, pauses and kills processes of job-process.ts. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/lib/command.ts';
import { freePort } from '../../kit/free-port.ts';
import type { Call, Question, Report } from './job-process.ts';
import { RUNS_VARIABLE, type RunsSpec } from './runs-spec.ts';

/** A run in the answer of `runs`. */
export interface ListedRun {
  readonly run: string;
  readonly status: 'running' | 'expired' | 'ended';
  readonly events: number;
  readonly attempt: number;
  readonly outcome?: string;
  readonly reason?: string;
}

export interface JobFeed {
  readonly origin: string;
  /** What `onError` got, and the text of its error output. */
  readonly errors: readonly string[];
  /** Everything that it reported. */
  readonly reports: readonly Report[];
  start(call: Omit<Extract<Call, { type: 'start' }>, 'type'>): Promise<{ run: string; joined: boolean }>;
  stop(name: string): Promise<{ run: string; outcome: string } | undefined>;
  runs(name: string): Promise<readonly ListedRun[]>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Like a machine that loses power. */
  kill(): Promise<void>;
}

export async function startJobFeed(spec: RunsSpec): Promise<JobFeed> {
  const child = fork(new URL('job-process.ts', import.meta.url), [String(await freePort())], {
    // vitest sets options for its own workers.
    execArgv: [],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      // Each start would compile all sources again, which takes most of its time.
      NODE_COMPILE_CACHE: join(ROOT, '.cache/compile'),
      [RUNS_VARIABLE]: JSON.stringify(spec),
    },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const errors: string[] = [];
  const reports: Report[] = [];
  const waiting = new Map<number, (report: Extract<Report, { type: 'answer' }>) => void>();
  let questions = 0;
  let listening: (port: number) => void;
  const port = new Promise<number>((resolve, reject) => {
    listening = resolve;
    child.once('exit', () => reject(new Error(`The process ended before it listened. ${errors.join('\n')}`)));
  });
  child.stderr!.on('data', (text) => errors.push(String(text)));
  child.on('message', (message: Report) => {
    reports.push(message);
    if (message.type === 'error') errors.push(message.message);
    if (message.type === 'listening') listening(message.port);
    if (message.type === 'answer') waiting.get(message.id)?.(message);
  });
  const ask = async (call: Call): Promise<unknown> => {
    questions += 1;
    const id = questions;
    const { value, error } = await new Promise<Extract<Report, { type: 'answer' }>>((resolve) => {
      waiting.set(id, resolve);
      child.send({ id, call } satisfies Question);
    });
    waiting.delete(id);
    if (error !== undefined) throw new Error(error);
    return value;
  };
  return {
    origin: `http://127.0.0.1:${await port}`,
    errors,
    reports,
    start: async (call) => (await ask({ type: 'start', ...call })) as { run: string; joined: boolean },
    stop: async (name) => (await ask({ type: 'stop', name })) as { run: string; outcome: string } | undefined,
    runs: async (name) => (await ask({ type: 'runs', name })) as readonly ListedRun[],
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}
