/**
 * A server program for tests: in a temporary folder, on loopback, never longer than the test process.
 *
 * By hand: `node -e "import('./packages/server/test-kit/brokers/redis.ts').then(async (kit) => console.log((await kit.startRedis()).url))"`
 * starts a server and prints its URL; Ctrl-C ends it. The same works with `startNats` and `startPostgres`.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What every started server can do. */
export interface Broker {
  readonly port: number;
  readonly url: string;
  /** Its temporary folder. */
  readonly folder: string;
  /** Its processes. */
  pids(): number[];
  /** Ends it in order. The data stays for `start`. */
  stop(): Promise<void>;
  /** Like a crash: SIGKILL. The data stays for `start`. */
  kill(): Promise<void>;
  /** Starts it again on the same port, and resolves when it is ready. */
  start(): Promise<void>;
  /** Ends it in order (`kill: true`: by SIGKILL), and starts it again. Default: with its data. */
  restart(options?: { keepData?: boolean; kill?: boolean }): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Kills it and deletes its folder. */
  close(): Promise<void>;
}

export interface ServerProgram {
  readonly name: string;
  readonly program: string;
  readonly args: (folder: string) => readonly string[];
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  /** User and group to run as, if this process is root. */
  readonly runAs?: { readonly uid: number; readonly gid: number } | undefined;
  /** Makes the folder ready before the first start, and after its data was deleted. */
  readonly prepare?: ((folder: string) => Promise<void> | void) | undefined;
  /** Deletes the data of an ended server. */
  readonly deleteData: (folder: string) => void;
  /** Rejects as long as the server is not ready. */
  readonly probe: () => Promise<void>;
  /** Signal that ends it in order. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals | undefined;
}

/** Time for a server to be ready. A busy machine may take long. */
const READY_MS = 60_000;
const POLL_MS = 20;

const open = new Set<{ pids: () => number[]; folder: string }>();

// The folders too: a failed test does not reach its `close`.
process.once('exit', () => {
  for (const { pids, folder } of open) {
    for (const pid of pids()) signal(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A folder that another user of the machine may enter: some servers do not run as root. */
export async function makeFolder(name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `linefeed-${name}-`));
  await chmod(folder, 0o755);
  return folder;
}

/** Waits until the probe resolves. Rejects with its last error after a minute. */
export async function until<T>(what: string, probe: () => Promise<T> | T, limitMs = READY_MS): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() > end) throw new Error(`Not in ${limitMs} ms: ${what}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Starts the server. Rejects with the end of its output if it ends before it is ready. */
export async function startServerProgram(server: ServerProgram): Promise<Broker> {
  const { folder, port, url } = server;
  const outputPath = join(folder, 'output.log');
  let child: ChildProcess | undefined;
  const pids = (): number[] => (child === undefined || hasEnded(child) ? [] : familyOf(child.pid!));
  const entry = { pids, folder };
  open.add(entry);

  const start = async (): Promise<void> => {
    const output = openSync(outputPath, 'a');
    const [program, ...args] = withParent(server.program, server.args(folder), server.runAs);
    const started = spawn(program!, args, { cwd: folder, stdio: ['ignore', output, output] });
    closeSync(output);
    child = started;
    let failure: Error | undefined;
    started.on('error', (error) => (failure = error));
    const end = performance.now() + READY_MS;
    for (;;) {
      if (failure !== undefined || hasEnded(started) || performance.now() > end) {
        const text = readFileSync(outputPath, 'utf8').slice(-2_000);
        throw new Error(`${server.name} did not start. Its output ends with:\n${text}`, { cause: failure });
      }
      try {
        await server.probe();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  };
  const end = async (name: NodeJS.Signals): Promise<void> => {
    if (child === undefined || hasEnded(child)) return;
    const gone = once(child, 'exit');
    // All processes of the server: the children of a killed PostgreSQL would write on for a moment.
    if (name === 'SIGKILL') for (const pid of pids()) signal(pid, name);
    else {
      child.kill(name);
      for (const pid of pids()) signal(pid, 'SIGCONT');
    }
    await gone;
  };

  const broker: Broker = {
    port,
    url,
    folder,
    pids,
    stop: () => end(server.stopSignal ?? 'SIGTERM'),
    kill: () => end('SIGKILL'),
    start,
    async restart({ keepData = true, kill = false } = {}) {
      await (kill ? broker.kill() : broker.stop());
      if (!keepData) {
        server.deleteData(folder);
        await server.prepare?.(folder);
      }
      await start();
    },
    pause: () => pids().forEach((pid) => signal(pid, 'SIGSTOP')),
    resume: () => pids().forEach((pid) => signal(pid, 'SIGCONT')),
    async close() {
      await end('SIGKILL');
      open.delete(entry);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    await server.prepare?.(folder);
    await start();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

/** Command line by which a program gets SIGKILL when this process dies, and runs as another user. */
export function withParent(
  program: string,
  args: readonly string[],
  runAs?: { readonly uid: number; readonly gid: number },
): string[] {
  if (!hasSetpriv()) return [program, ...args];
  const user =
    runAs === undefined || process.getuid?.() !== 0
      ? []
      : [`--reuid=${runAs.uid}`, `--regid=${runAs.gid}`, '--clear-groups'];
  return ['setpriv', '--pdeathsig=KILL', ...user, '--', program, ...args];
}

let setpriv: boolean | undefined;
function hasSetpriv(): boolean {
  setpriv ??= spawnSync('setpriv', ['--pdeathsig=KILL', '--', 'true']).status === 0;
  return setpriv;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** The process and its descendants; those of PostgreSQL each have a process group of their own. */
function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  let names: string[] = [];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    // A system without /proc.
  }
  for (const name of names) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The name of the program, in parentheses, may have spaces.
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended.
    }
  }
  const family = [pid];
  for (const member of family) family.push(...(children.get(member) ?? []));
  return family;
}
