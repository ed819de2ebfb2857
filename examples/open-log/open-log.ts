/** Opens the log that a URL names, so that one server program runs on any of them. */
import { isAbsolute, resolve } from 'node:path';
import {
  LinefeedError,
  memoryLog,
  memoryRuns,
  type Log,
  type LogBounds,
  type RunStore,
} from '@linefeed/server';

export interface OpenLogOptions extends LogBounds {
  /** Redis: the key. Postgres: the table. NATS: the stream. Other programs on the same server must not use it. */
  readonly name: string;
}

/** A log, and the client that was opened for it. */
export interface OpenedLog {
  readonly log: Log;
  /** For people, without a password: `Redis at localhost:6379`. */
  readonly title: string;
  /**
   * Opens a store of runs in the same place: on the server of the log, or in a file beside its file. NATS has none: then
   * it is the SQLite file `file`.
   */
  openRuns(file: string): Promise<RunStore>;
  /** Closes all of them. */
  close(): Promise<void>;
}

/** A log over a client that is open, before its store of runs is opened. */
export interface Opening {
  readonly log: Log;
  /** Absent: this kind of server holds no runs. */
  readonly openRuns?: (() => Promise<RunStore>) | undefined;
  close(): Promise<void>;
}

/** The function of one kind of server: it opens a client and a log over it. */
export type Open = (url: string, options: OpenLogOptions) => Promise<Opening>;

/** A URL that names no log, or a log that cannot be opened. Its message is for the person who set the URL. */
export class LogUnavailable extends Error {}

interface Kind {
  readonly title: string;
  readonly example: string;
  readonly schemes: readonly string[];
  /** Loads the client library only if this kind is used. */
  readonly load: () => Promise<Open>;
}

const KINDS: readonly Kind[] = [
  {
    title: 'Redis',
    example: 'redis://localhost',
    schemes: ['redis', 'rediss'],
    load: async () => (await import('./redis.ts')).openRedis,
  },
  {
    title: 'Postgres',
    example: 'postgres://localhost/postgres',
    schemes: ['postgres', 'postgresql'],
    load: async () => (await import('./postgres.ts')).openPostgres,
  },
  {
    title: 'NATS',
    example: 'nats://localhost',
    schemes: ['nats', 'tls'],
    load: async () => (await import('./nats.ts')).openNats,
  },
];

/** A server that does not answer must not delay the start longer than this. */
const OPEN_TIMEOUT_MS = 10_000;

/**
 * Opens a log: `redis://host`, `postgres://user@host/database`, `nats://host`, `memory:`, or the path of an SQLite file.
 *
 * @throws LogUnavailable (as a rejection)
 */
export async function openLog(url: string, options: OpenLogOptions): Promise<OpenedLog> {
  if (url === 'memory:') {
    const log = memoryLog(toBounds(options));
    return toOpened('the memory of each process', {
      log,
      openRuns: async () => memoryRuns(),
      close: () => closeLog(log),
    });
  }
  // A drive letter is not a scheme.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === 'sqlite') return await openSqlite(url, options);
  const kind = KINDS.find(({ schemes }) => schemes.includes(scheme));
  if (kind === undefined) throw new LogUnavailable(`"${scheme}:" is not a log. ${advice()}`);
  const title = `${kind.title} at ${hostOf(url, kind)}`;
  try {
    const open = await kind.load();
    return toOpened(title, await withinTime(open(url, options)));
  } catch (error) {
    // An error of Linefeed has its own remedy.
    const remedy = LinefeedError.is(error) ? '' : ' Start it, or correct the URL.';
    throw new LogUnavailable(`${title} cannot be used as the log: ${messageOf(error)}${remedy}`, {
      cause: error,
    });
  }
}

/**
 * Opens the log that the environment variable LINEFEED_LOG names, or `fallback`. If it cannot be opened, ends the process
 * with a message and exit code 1.
 */
export async function openLogOrExit(fallback: string, options: OpenLogOptions): Promise<OpenedLog> {
  try {
    return await openLog(process.env['LINEFEED_LOG'] || fallback, options);
  } catch (error) {
    if (!(error instanceof LogUnavailable)) throw error;
    console.error(`LINEFEED_LOG: ${error.message}`);
    process.exit(1);
  }
}

async function openSqlite(url: string, options: OpenLogOptions): Promise<OpenedLog> {
  const path = url.replace(/^sqlite:(\/\/(?=\/))?/i, '');
  // A word such as "redis" is a forgotten scheme rather than the name of a file.
  if (!/[./\\]/.test(path)) throw new LogUnavailable(`"${url}" is neither a URL nor a path. ${advice()}`);
  const title = `the SQLite file ${isAbsolute(path) ? path : resolve(path)}`;
  try {
    const { sqliteLog, sqliteRuns } = await import('@linefeed/server/sqlite');
    const log = sqliteLog({ path, ...toBounds(options) });
    return toOpened(title, {
      log,
      openRuns: async () => sqliteRuns({ path: `${path}-runs` }),
      close: () => closeLog(log),
    });
  } catch (error) {
    throw new LogUnavailable(`${title} cannot be used as the log: ${messageOf(error)}`, { cause: error });
  }
}

function toOpened(title: string, { log, openRuns, close }: Opening): OpenedLog {
  const stores: RunStore[] = [];
  return {
    log,
    title,
    async openRuns(file) {
      const store = await (openRuns?.() ?? openFile(file));
      stores.push(store);
      return store;
    },
    async close() {
      for (const store of stores) await store.close();
      await close();
    },
  };
}

async function openFile(path: string): Promise<RunStore> {
  const { sqliteRuns } = await import('@linefeed/server/sqlite');
  return sqliteRuns({ path });
}

async function closeLog(log: Log): Promise<void> {
  await log.close?.();
}

/** The bounds alone: a log refuses options that it does not know. */
export function toBounds({ maxEvents, maxAgeMs, maxBytes }: LogBounds): LogBounds {
  return { maxEvents, maxAgeMs, maxBytes };
}

function advice(): string {
  return `Use ${[...KINDS.map(({ example }) => example), 'memory:'].join(', ')}, or the path of an SQLite file, such as data/events.db.`;
}

/** Host and port, without user and password. */
function hostOf(url: string, { example }: Kind): string {
  const host = URL.canParse(url) ? new URL(url).host : '';
  if (host === '') throw new LogUnavailable(`The URL of the log has no host. Write it as ${example}.`);
  return host;
}

async function withinTime<T>(opening: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`No answer within ${OPEN_TIMEOUT_MS / 1_000} s.`)),
      OPEN_TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  // Node joins the refusals of IPv4 and IPv6 into one error without a message.
  const all = error instanceof AggregateError && error.message === '' ? error.errors : [error];
  const text = all.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
