/** Real PostgreSQL servers: one, a standby, backups. */
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../../../e2e/kit/free-port.ts';
import { findProgram } from '../../../../scripts/lib/find-program.ts';
import { POSTGRES } from '../../../../scripts/lib/programs.ts';
import { makeFolder, startServerProgram, until, withParent, type Broker } from './server-process.ts';
import { unprivilegedUser } from './unprivileged-user.ts';

export interface PostgresServer extends Broker {
  /** Runs one statement on a connection of its own, and returns its rows. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Copies the data of the running server, as a backup does. The server stops for that moment. */
  backup(): Promise<Backup>;
  /** Starts it again with the data of the backup. Everything after it is lost. */
  restore(backup: Backup): Promise<void>;
  /** Makes a standby the primary, and resolves when it takes writes. */
  promote(): Promise<void>;
}

export interface Backup {
  readonly folder: string;
}

export interface PostgresOptions {
  /** Parameters of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

const DATABASE = 'postgres';

/** Without `fsync`: a crash of the process loses nothing, the system has the bytes. */
const FAST: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '16MB',
  max_connections: '60',
  max_wal_senders: '4',
  wal_level: 'replica',
  wal_keep_size: '64MB',
  hot_standby: 'on',
  logging_collector: 'off',
  log_min_messages: 'fatal',
};

export async function startPostgres({ settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  return await startWith({ settings, fill: (data) => copyFolder(template(), data) });
}

export interface PrimaryAndStandby {
  readonly primary: PostgresServer;
  /** Follows the primary; readable. */
  readonly standby: PostgresServer;
  close(): Promise<void>;
}

/**
 * A primary and a standby that follows it. `linkPort` returns the port by which the standby reaches the primary, for a
 * relay between them.
 */
export async function startPrimaryAndStandby({
  settings = {},
  linkPort = (port) => port,
}: PostgresOptions & {
  readonly linkPort?: (port: number) => Promise<number> | number;
} = {}): Promise<PrimaryAndStandby> {
  const primary = await startPostgres({ settings });
  try {
    // Both begin as copies of one folder, as a base backup is.
    const backup = await primary.backup();
    const link = await linkPort(primary.port);
    const standby = await startWith({
      settings: {
        ...settings,
        primary_conninfo: `host=127.0.0.1 port=${link} user=postgres application_name=standby`,
      },
      fill(data) {
        copyFolder(backup.folder, data);
        writeFileSync(join(data, 'standby.signal'), '');
      },
    });
    await until('the standby follows the primary', async () => {
      const rows = await primary.query('SELECT 1 FROM pg_stat_replication');
      if (rows.length === 0) throw new Error('The standby is not connected.');
    });
    return {
      primary,
      standby,
      async close() {
        await Promise.all([primary.close(), standby.close()]);
      },
    };
  } catch (error) {
    await primary.close();
    throw error;
  }
}

/** With owner and permissions, which PostgreSQL checks. */
function copyFolder(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cp failed: ${stderr}`);
}

async function startWith({
  settings,
  fill,
}: {
  readonly settings: Readonly<Record<string, string>>;
  readonly fill: (data: string) => void;
}): Promise<PostgresServer> {
  const port = await freePort();
  const folder = await makeFolder('postgres');
  const data = join(folder, 'data');
  const user = unprivilegedUser();
  const url = `postgres://postgres@127.0.0.1:${port}/${DATABASE}`;
  const query = async (sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    // The rejection of the call has it.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<Record<string, unknown>>(sql, [...values]);
      return rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const own = (path: string): void => {
    if (user !== undefined) chown(path, user);
  };
  let source = fill;
  const broker = await startServerProgram({
    name: 'postgres',
    program: findProgram(POSTGRES),
    args: () => [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries({ ...FAST, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    port,
    url,
    folder,
    runAs: user,
    prepare() {
      source(data);
      own(data);
    },
    deleteData: () => rmSync(data, { recursive: true, force: true }),
    probe: async () => void (await query('SELECT 1')),
    // Ends sessions; SIGTERM would wait for them.
    stopSignal: 'SIGINT',
  });
  return Object.assign(broker, {
    query,
    async backup() {
      await broker.stop();
      const target = join(mkdtempSync(join(folder, 'backup-')), 'data');
      copyFolder(data, target);
      await broker.start();
      return { folder: target };
    },
    async restore(backup: Backup) {
      source = (to) => copyFolder(backup.folder, to);
      await broker.restart({ keepData: false, kill: true });
      source = fill;
    },
    async promote() {
      await query('SELECT pg_promote(true, 60)');
      await until('the promoted standby takes writes', async () => {
        const [row] = await query('SELECT pg_is_in_recovery() AS standby');
        if (row?.['standby'] !== false) throw new Error('It is still a standby.');
      });
    },
  });
}

/** A folder of `initdb`, made once for each version on this machine. Copies of it start at once. */
function template(): string {
  const postgres = findProgram(POSTGRES);
  const version = spawnSync(postgres, ['--version'], { encoding: 'utf8' })
    .stdout.trim()
    .replaceAll(/[^\w.]+/g, '-');
  const folder = join(tmpdir(), `linefeed-template-${version}-${process.getuid?.() ?? 'user'}`);
  if (existsSync(folder)) return folder;
  const user = unprivilegedUser();
  const making = mkdtempSync(`${folder}-`);
  mkdirSync(join(making, 'data'));
  if (user !== undefined) chown(making, user);
  const [program, ...args] = withParent(
    join(dirname(postgres), 'initdb'),
    [
      '-D',
      join(making, 'data'),
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-locale',
      '--no-sync',
      '--wal-segsize=1',
    ],
    user,
  );
  const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8', cwd: making });
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`);
  try {
    renameSync(join(making, 'data'), folder);
  } catch (error) {
    // Another process was faster; its folder is as good.
    if (!existsSync(folder)) throw error;
  }
  rmSync(making, { recursive: true, force: true });
  return folder;
}

function chown(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  if (process.getuid?.() !== 0) return;
  const { status } = spawnSync('chown', ['-R', `${uid}:${gid}`, path]);
  if (status !== 0) chownSync(path, uid, gid);
}
