/** Programs in processes of their own. Each prints lines of JSON, and is killed at the end of its test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { afterEach } from 'vitest';

export interface Program {
  readonly process: ChildProcess;
  /** The values that it has printed. */
  readonly lines: unknown[];
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  until(isSo: (lines: unknown[]) => boolean): Promise<void>;
}

/** Call it at the top of a test file. The result starts a program from its source, a module. */
export function usePrograms(): (code: string, ...args: ReadonlyArray<string | number>) => Program {
  let programs: Program[] = [];
  afterEach(async () => {
    for (const { process, ended } of programs) {
      process.kill('SIGKILL');
      await ended;
    }
    programs = [];
  });
  return (code, ...args) => {
    const program = start(code, args.map(String));
    programs.push(program);
    return program;
  };
}

function start(code: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', code, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: unknown[] = [];
  let rest = '';
  let wake: () => void = () => undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    lines.push(...parts.map((line) => JSON.parse(line) as unknown));
    wake();
  });
  return {
    process: child,
    lines,
    ended: new Promise<number | null>((resolve) => child.on('close', resolve)),
    async until(isSo) {
      while (!isSo(lines)) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}
