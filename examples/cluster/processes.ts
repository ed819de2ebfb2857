/** The two feed processes: starts them, kills one on request, and starts it again. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ProcessState } from './channel.ts';
import { names, type Name } from './names.ts';
import { CannotStart } from './program.ts';
import type { ToChild, ToParent } from './server.ts';

export interface Processes {
  /** The log that they share, for people. */
  readonly log: string;
  stop(): Promise<void>;
}

export interface ProcessesOptions {
  /** For `openLog`. */
  readonly log: string;
  readonly ports: readonly number[];
  readonly restartMs: number;
}

/** Resolves when both listen. @throws CannotStart */
export async function startProcesses({ log, ports, restartMs }: ProcessesOptions): Promise<Processes> {
  const children = new Map<Name, ChildProcess>();
  const states = new Map<Name, ProcessState>();
  let isStopping = false;

  /** Resolves with the title of the log, or `undefined` if the process ends before it listens. */
  async function start(name: Name): Promise<string | undefined> {
    const child = fork(join(import.meta.dirname, 'server.ts'), {
      env: { ...process.env, NAME: name, PORT: String(ports[names.indexOf(name)]), LINEFEED_LOG: log },
      // In its own process group: a terminal's Ctrl-C reaches it once, from here.
      detached: true,
    });
    children.set(name, child);
    const ended = once(child, 'exit').then(() => undefined);
    const listening = new Promise<string>((resolve) => {
      child.on('message', (message: ToParent) => {
        if ('kill' in message) children.get(message.kill)?.kill('SIGKILL');
        else resolve(message.listening);
      });
    });
    const title = await Promise.race([listening, ended]);
    if (title === undefined) return undefined;
    report({ name, pid: child.pid ?? 0, state: 'running' });
    void ended.then(() => {
      if (isStopping) return;
      report({ name, pid: child.pid ?? 0, state: 'killed' });
      restartLater(name);
    });
    return title;
  }

  function restartLater(name: Name): void {
    setTimeout(() => {
      if (isStopping) return;
      void start(name).then((title) => {
        // The log may be away for a while.
        if (title === undefined) restartLater(name);
      });
    }, restartMs);
  }

  function report(state: ProcessState): void {
    states.set(state.name, state);
    const message: ToChild = { processes: [...states.values()] };
    for (const child of children.values()) {
      // A child that is being killed takes no message.
      if (child.connected) child.send(message, () => undefined);
    }
  }

  async function stop(): Promise<void> {
    isStopping = true;
    const running = [...children.values()].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.all(ended);
  }

  let title = '';
  // One after the other: if the log is away, one message is enough.
  for (const name of names) {
    const log = await start(name);
    // The process has printed why.
    if (log === undefined) {
      await stop();
      throw new CannotStart(`${name} ended at its start.`);
    }
    title = log;
  }
  return { log: title, stop };
}
