/** Programs beside Node: finding them, starting them, and ending them. */
import { spawn } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The cluster cannot start. The message is for the person who started it. */
export class CannotStart extends Error {}

/** Folders that are often not on the PATH of a user. */
const MORE_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

/** Returns the path of the first program that is installed. */
export function findProgram(names: readonly string[], patterns: readonly string[] = []): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS];
  const candidates = [
    ...patterns.flatMap((pattern) => globSync(pattern).toSorted().toReversed()),
    ...folders.filter((folder) => folder !== '').flatMap((folder) => names.map((name) => join(folder, name))),
  ];
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface Program {
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly title: string;
  /** The program is ready when it listens here. */
  readonly port: number;
}

/** Starts a server program and waits until it listens. @throws CannotStart with its output if it ends before. */
export async function startProgram(
  path: string,
  args: readonly string[],
  { title, port }: StartOptions,
): Promise<Program> {
  // In its own process group: a terminal's Ctrl-C must not end it before the feeds have ended.
  const child = spawn(path, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  // The end of the output is enough for a message. Later output is read too: a full pipe would stop the program.
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = `${output}${text}`.slice(-2_000)));
  }
  let hasEnded = false;
  const ended = once(child, 'exit').then(
    () => `${title} ended at its start:\n${output.trim()}`,
    (error: Error) => `${title} could not be started: ${error.message}`,
  );
  void ended.then(() => (hasEnded = true));
  while (!hasEnded && !(await isListening(port))) await sleep(50);
  if (hasEnded) throw new CannotStart(await ended);
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Whether a program accepts connections on this port of this machine. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Returns a port that the system has free. */
export async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
