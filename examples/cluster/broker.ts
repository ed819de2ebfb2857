/** Starts the server that holds the log, in a temporary folder, unless a running one is given. */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CannotStart, findPort, findProgram, startProgram } from './program.ts';

export interface Broker {
  /** For `openLog`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** `wanted`: a word of `STARTS`, or the URL of a log. @throws CannotStart */
export async function startBroker(wanted: string, folder: string): Promise<Broker> {
  const start = STARTS[wanted];
  if (start !== undefined) return await start(folder);
  // `openLog` checks URLs and paths.
  if (/[:./\\]/.test(wanted)) return { url: wanted, stop: async () => undefined };
  const words = Object.keys(STARTS).join(', ');
  throw new CannotStart(`There is no log "${wanted}". Write one of ${words}, or the URL of a log.`);
}

const STARTS: Readonly<Record<string, (folder: string) => Promise<Broker>>> = {
  async sqlite(folder) {
    return { url: join(folder, 'log.db'), stop: async () => undefined };
  },

  async memory() {
    return { url: 'memory:', stop: async () => undefined };
  },

  async redis(folder) {
    const path = need(
      'Redis or Valkey',
      ['redis-server', 'valkey-server'],
      'redis-server',
      'redis://localhost',
    );
    const port = await findPort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
    // With a file of appended commands, a restart of Redis keeps the log.
    const persistence = ['--appendonly', 'yes', '--save', ''];
    const { stop } = await startProgram(path, [...args, ...persistence], { title: 'Redis', port });
    return { url: `redis://127.0.0.1:${port}`, stop };
  },

  async nats(folder) {
    const path = need('NATS', ['nats-server'], 'nats-server', 'nats://localhost');
    const port = await findPort();
    const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder];
    const { stop } = await startProgram(path, args, { title: 'NATS', port });
    return { url: `nats://127.0.0.1:${port}`, stop };
  },

  async postgres(folder) {
    // Debian has these programs in a folder for each version.
    const patterns = ['/usr/lib/postgresql/*/bin/pg_ctl', '/opt/homebrew/opt/postgresql*/bin/pg_ctl'];
    const path = need('PostgreSQL', ['pg_ctl'], 'postgresql', 'postgres://localhost/postgres', patterns);
    const port = await findPort();
    const data = join(folder, 'postgres');
    const user = unprivilegedUser();
    mkdirSync(data, { mode: 0o700 });
    if (user !== undefined) chownSync(data, user.uid, user.gid);
    run(join(dirname(path), 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'], user);
    const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''`;
    run(path, ['-D', data, '-l', join(data, 'log'), '-o', options, '-w', 'start'], user);
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      stop: async () => run(path, ['-D', data, '-m', 'fast', '-w', 'stop'], user),
    };
  },
};

function need(
  title: string,
  names: readonly string[],
  apt: string,
  url: string,
  patterns?: readonly string[],
): string {
  const path = findProgram(names, patterns);
  if (path !== undefined) return path;
  throw new CannotStart(
    `${title} is not installed here (${names.join(', ')}). Install it (on Debian: apt-get install ${apt}), ` +
      `or give the URL of a running one: LINEFEED_LOG=${url} npx pnpm@12 --filter @linefeed/example-cluster start`,
  );
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses to run as root. Returns another user then: `postgres`, or else the usual numbers of `nobody`. */
function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  if (uid?.status !== 0 || gid?.status !== 0) return { uid: 65_534, gid: 65_534 };
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function run(path: string, args: readonly string[], user: User | undefined): void {
  // Not a pipe: the server would inherit it, and this call would wait for the server's end.
  const { status, error } = spawnSync(path, args, {
    ...user,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new CannotStart(`${path} failed (${error?.message ?? `exit code ${status}`}).`);
}
