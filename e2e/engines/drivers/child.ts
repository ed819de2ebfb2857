/** A program that runs until it is told to end, with all the processes that it started. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Child {
  /** Resolves with the first match in its output, on any pipe. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly end: () => Promise<void>;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Also opens this pipe for its output. */
  readonly descriptor?: 3;
}

const PATIENCE_MS = 60_000;

export function startChild(program: string, args: readonly string[], options: ChildOptions = {}): Child {
  const child = spawn(program, args, {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptor === undefined ? [] : ['pipe' as const])],
    // Its own process group: browsers are many processes.
    detached: true,
  });
  running.add(child);
  const exited = once(child, 'exit').then(() => running.delete(child));
  let output = '';
  let check = (): void => {};
  for (const pipe of child.stdio.slice(1)) {
    pipe?.on('data', (chunk: Buffer) => {
      // Firefox in a busy container writes a lot of output that is not needed.
      output = (output + chunk.toString()).slice(-20_000);
      check();
    });
  }
  return {
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const refuse = (why: string): void =>
          reject(new Error(`${program} ${why} before it wrote ${pattern}: ${output}`));
        const timer = setTimeout(() => refuse(`took ${PATIENCE_MS} ms`), PATIENCE_MS);
        void exited.then(() => refuse('ended'));
        child.once('error', (error) => refuse(`could not be started (${error.message})`));
        check = () => {
          const match = pattern.exec(output);
          if (match === null) return;
          clearTimeout(timer);
          resolve(match);
        };
        check();
      }),
    async end() {
      killGroup(child, 'SIGTERM');
      const hard = setTimeout(() => killGroup(child, 'SIGKILL'), 3_000);
      await exited;
      clearTimeout(hard);
      killGroup(child, 'SIGKILL');
    },
  };
}

/** A folder that exists for the lifetime of a run. */
export async function temporaryFolder(name: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), `linefeed-${name}-`));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

const running = new Set<ChildProcess>();

// An interrupted run must leave no browsers running.
process.once('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // Already gone.
  }
}
