/** Runs a program to its end: records its output, limits its time, ends its whole process group. */
import { spawn, type ChildProcess } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { compileCacheOf } from './compile-cache.ts';

export const ROOT: string = dirname(dirname(import.meta.dirname));
const BIN = join(ROOT, 'node_modules', '.bin');

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly cwd?: string | undefined;
  readonly env?: Record<string, string> | undefined;
  /** Called with each piece of output. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

export interface CommandResult {
  readonly ok: boolean;
  /** Both streams in order of arrival, and the cause of an end that was not the program's own. */
  readonly output: string;
  readonly stdout: string;
}

const running = new Set<ChildProcess>();

/** Never rejects: if a program cannot be started, the result is a failure whose output has the cause. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? ROOT,
      env: {
        ...process.env,
        ...compileCacheOf(ROOT),
        PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that workers and browsers end with a runner that hangs.
      detached: true,
    });
    running.add(child);
    let output = '';
    let stdout = '';
    let end = '';
    const add = (text: string) => {
      output += text;
      options.onOutput?.(text);
    };
    const timer = setTimeout(() => {
      end = `${program} did not end within ${options.timeoutMs / 1000} s and was killed.\n`;
      killGroup(child, 'SIGKILL');
    }, options.timeoutMs);
    const finish = (ok: boolean) => {
      clearTimeout(timer);
      running.delete(child);
      if (end !== '') add(end);
      resolve({ ok: ok && end === '', output, stdout });
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      add(text);
    });
    child.stderr.setEncoding('utf8').on('data', add);
    child.on('error', (error) => {
      end = `${program} could not be started: ${error.message}\n`;
      finish(false);
    });
    // A grandchild that outlives the program keeps the pipes open, and `close` would never be emitted.
    child.on('exit', (code, signal) => {
      if (signal !== null && end === '') end = `${program} was ended by ${signal}.\n`;
      const stragglers = setTimeout(() => killGroup(child, 'SIGKILL'), 2000);
      child.on('close', () => {
        clearTimeout(stragglers);
        finish(code === 0);
      });
    });
  });
}

/** Ends all programs that are still running, when a run is interrupted. */
export function stopAll(): void {
  for (const child of running) killGroup(child, 'SIGKILL');
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Already gone.
  }
}
