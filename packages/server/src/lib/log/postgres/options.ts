/** The options of a log in PostgreSQL, and their defaults and checks. */
import { systemClock, type Clock } from '../../base/clock.ts';
import { checkPositive, DEFAULT_TIMEOUT_MS } from '../../database/options.ts';
import { driverOf } from '../../database/postgres/client.ts';
import type { Driver } from '../../database/postgres/driver.ts';
import { parseTable, type TableOption } from '../../database/postgres/names.ts';
import type { PgPool } from '../../database/postgres/pg-driver.ts';
import type { PostgresClient } from '../../database/postgres/postgres-driver.ts';
import { logUse, type DatabaseUse } from '../../database/use.ts';
import { checkLogOptions, resolveBounds, type DEFAULT_BOUNDS, type LogBounds } from '../bounds.ts';

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
const DEFAULT_POLL_MS = 25;

export interface ResolvedOptions {
  readonly use: DatabaseUse;
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
  const { clock = systemClock, listen = true } = options;
  const use = logUse('postgresLog');
  return {
    use,
    driver: driverOf(options, use),
    table: parseTable(options.table, use),
    bounds: resolveBounds(options),
    timeoutMs: checkPositive('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, use),
    pollMs: checkPositive('pollMs', options.pollMs ?? DEFAULT_POLL_MS, use),
    listen,
    clock,
    usesServerClock: options.clock === undefined,
  };
}
