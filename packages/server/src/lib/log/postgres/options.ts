/** The options of a log in PostgreSQL, and their defaults and checks. */
import { invalidOption } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { checkLogOptions, resolveBounds, type DEFAULT_BOUNDS, type LogBounds } from '../bounds.ts';
import type { Driver } from './driver.ts';
import { pgDriver, type PgPool } from './pg-driver.ts';
import { postgresDriver, type PostgresClient } from './postgres-driver.ts';
import { parseTable, type TableOption } from './tables.ts';

/** The options of `postgresLog`. */
export interface PostgresLogOptions extends LogBounds {
  /** A `Pool` of `pg`, or the result of `postgres()`. It stays yours: closing the log does not end it. */
  readonly client: PgPool | PostgresClient;
  /**
   * Prefix of the names of the log's tables, with or without a schema: `board`, `app.board`. Letters, digits and
   * underscores, at most 48.
   */
  readonly table: string;
  /**
   * Creates the client of the tail's connection; the log ends it. It must be of the same library as `client`. Give it
   * if `client` connects to a pooler in transaction mode: this one must connect to the server itself. With `postgres`
   * it also lets the log end a connection that hangs: `() => postgres(url, { max: 1 })`.
   *
   * @default a connection with the options of `client`
   */
  readonly tailClient?: (() => PgPool | PostgresClient) | undefined;
  /**
   * Longest time of an append from its call to its outcome. Milliseconds.
   *
   * @default 5,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Interval of the poll for events of other processes and of transactions. Milliseconds.
   *
   * @default 25
   */
  readonly pollMs?: number | undefined;
  /**
   * Whether appends notify the other processes (`NOTIFY`), so that they need not wait for their next poll.
   *
   * @default true
   */
  readonly listen?: boolean | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

const POSTGRES_OPTIONS = {
  client: 'any',
  table: 'any',
  tailClient: 'function',
  timeoutMs: 'number',
  pollMs: 'number',
  listen: 'boolean',
} satisfies Partial<Record<keyof PostgresLogOptions, string>>;
const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_POLL_MS = 25;

export interface ResolvedOptions {
  readonly driver: Driver;
  readonly table: TableOption;
  readonly bounds: typeof DEFAULT_BOUNDS;
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly listen: boolean;
  readonly clock: Clock;
  readonly usesServerClock: boolean;
}

/** @throws LinefeedError `invalid_option` */
export function resolveOptions(options: PostgresLogOptions): ResolvedOptions {
  checkLogOptions('postgresLog', options, POSTGRES_OPTIONS);
  const { client, tailClient, clock = systemClock, listen = true } = options;
  return {
    driver: driverOf(client, tailClient),
    table: parseTable(options.table),
    bounds: resolveBounds(options),
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    pollMs: positive('pollMs', options.pollMs ?? DEFAULT_POLL_MS),
    listen,
    clock,
    usesServerClock: options.clock === undefined,
  };
}

function positive(name: string, value: number): number {
  if (value > 0 && value < Infinity) return value;
  throw invalidOption(`${name} of a postgresLog must be a positive number, not ${String(value)}.`);
}

function driverOf(client: unknown, tailClient: (() => unknown) | undefined): Driver {
  if (isSql(client)) {
    return postgresDriver(client, checked(tailClient, isSql, 'the result of postgres()'));
  }
  if (isPool(client)) return pgDriver(client, checked(tailClient, isPool, 'a Pool of pg'));
  throw invalidOption(
    `client of a postgresLog must be a Pool of pg or the result of postgres(), not ${describe(client)}.`,
  );
}

/** A client of the wrong kind is refused when it is created, with a message of its own. */
function checked<T>(
  tailClient: (() => unknown) | undefined,
  isRight: (client: unknown) => client is T,
  wanted: string,
): (() => T) | undefined {
  if (tailClient === undefined) return undefined;
  return () => {
    const client = tailClient();
    if (isRight(client)) return client;
    throw invalidOption(
      `tailClient of a postgresLog must return ${wanted}, the library of its client, not ${describe(client)}.`,
    );
  };
}

function isSql(client: unknown): client is PostgresClient {
  const { unsafe, listen } = (client ?? {}) as Partial<PostgresClient>;
  return typeof client === 'function' && typeof unsafe === 'function' && typeof listen === 'function';
}

export function isPool(client: unknown): client is PgPool {
  const { connect, query, totalCount } = (client ?? {}) as Partial<PgPool>;
  return typeof connect === 'function' && typeof query === 'function' && typeof totalCount === 'number';
}

function describe(client: unknown): string {
  if (typeof client === 'string') return 'a URL; pass it to new pg.Pool or to postgres() first';
  if (isPool(client)) return 'a Pool of pg';
  if (isSql(client)) return 'the result of postgres()';
  const { query, unsafe } = (client ?? {}) as { query?: unknown; unsafe?: unknown };
  if (typeof query === 'function')
    return 'a single Client of pg: it does not connect again, and each of its calls waits for the one before';
  if (typeof unsafe === 'function') return 'the sql of a transaction or of one reserved connection';
  return client === null || client === undefined ? String(client) : `a value of type ${typeof client}`;
}
