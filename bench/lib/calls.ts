/** Calls between processes over Node's own channel: a name and an argument in one direction, a result back. */
import { fork, type ChildProcess } from 'node:child_process';
import { exitOnSignals } from './folder.ts';

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Timeout of one call, in milliseconds: a bench never hangs. */
const CALL_TIMEOUT_MS = 60_000;

/** A process of the bench that answers calls. */
export class Remote {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #name: string;
  #id = 0;

  constructor(file: string, args: readonly string[], flags: readonly string[] = []) {
    this.#name = [file.split('/').at(-1), ...args.slice(0, 1)].join(' ');
    this.#child = fork(file, args, { execArgv: ['--expose-gc', '--no-warnings', ...flags] });
    this.#child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting?.resolve(reply.result);
      else waiting?.reject(new Error(`${this.#name}: ${reply.error}`));
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#name} ended (${code}).`));
      this.#waiting.clear();
    });
  }

  async call<T>(name: string, argument?: unknown): Promise<T> {
    this.#id += 1;
    const id = this.#id;
    let timer: NodeJS.Timeout | undefined;
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        timer = setTimeout(
          () => reject(new Error(`${this.#name}: no answer to ${name} within ${CALL_TIMEOUT_MS} ms.`)),
          CALL_TIMEOUT_MS,
        );
        this.#waiting.set(id, { resolve, reject });
        this.#child.send({ id, name, argument } satisfies Call);
      })) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process and waits until it is gone. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await gone;
    clearTimeout(timer);
  }
}

/** Answers calls of the process that forked this one, and ends with it. */
export function answerCalls(functions: Record<string, (argument: never) => unknown>): void {
  process.on('message', ({ id, name, argument }: Call) => {
    const call = async (): Promise<unknown> => await functions[name]!(argument as never);
    call().then(
      (result) => process.send?.({ id, result } satisfies Reply),
      ({ message, stack }: Error) => process.send?.({ id, error: `${message}\n${stack}` } satisfies Reply),
    );
  });
  endWithParent();
}

/** A process that is still starting has to end with its parent too. */
export function endWithParent(): void {
  exitOnSignals();
  const end = (): never => process.exit(0);
  if (process.connected) process.once('disconnect', end);
  else end();
}
