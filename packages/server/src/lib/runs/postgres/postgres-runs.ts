/** A store of runs in PostgreSQL, which the processes of many machines can share. */
import { checkOptions } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { toUnusable, withDeadline } from '../../database/deadline.ts';
import { checkPositive } from '../../database/options.ts';
import { driverOf } from '../../database/postgres/client.ts';
import { parseTable } from '../../database/postgres/names.ts';
import { openTables } from '../../database/postgres/open.ts';
import type { PgPool } from '../../database/postgres/pg-driver.ts';
import type { PostgresClient } from '../../database/postgres/postgres-driver.ts';
import { runsUse } from '../../database/use.ts';
import type { RunStore } from '../run-store.ts';
import { DEFAULT_CALL_MS } from '../store-calls.ts';
import { PostgresRunStore } from './postgres-run-store.ts';
import { MARKED, runDefinitionsOf, RUNS_MARK } from './run-migration.ts';
import { runNamesOf } from './run-tables.ts';

/** The options of `postgresRuns`. */
export interface PostgresRunsOptions {
  /**
   * A `Pool` of `pg`, or the result of `postgres()`. It stays yours: closing the store does not end it. It may connect
   * to a pooler in transaction mode.
   */
  readonly client: PgPool | PostgresClient;
  /**
   * Prefix of the names of the store's tables, with or without a schema: `board`, `app.board`. Letters, digits and
   * underscores, at most 48. It may be the prefix of a log.
   */
  readonly table: string;
  /**
   * Longest time of one call. Milliseconds. Less than half of the lease of a run, so that a producer can renew its lease
   * after a call that got no answer.
   *
   * @default 3,000
   */
  readonly timeoutMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** Client and table are checked by value. */
const POSTGRES_RUNS_OPTIONS = {
  client: 'any',
  table: 'any',
  timeoutMs: 'number',
  clock: 'hidden',
} satisfies Record<keyof PostgresRunsOptions, string>;

/**
 * Opens a store of runs in PostgreSQL 13 or later, by `pg` or `postgres`. It creates its tables.
 *
 * @example
 *   import { postgresRuns } from '@linefeed/server/postgres';
 *   import { Pool } from 'pg';
 *
 *   const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
 *   const runs = await postgresRuns({ client: pool, table: 'board' });
 *   await runs.close();
 *   await pool.end();
 *
 * @param options `client` and `table` are required
 * @throws LinefeedError `invalid_option`; `runs_failed` if the server is too old, cannot be reached or written, or has
 * other tables of these names.
 */
export async function postgresRuns(options: PostgresRunsOptions): Promise<RunStore> {
  checkOptions('postgresRuns', options, POSTGRES_RUNS_OPTIONS);
  const { clock = systemClock } = options;
  const use = runsUse('postgresRuns');
  const driver = driverOf(options, use);
  const name = `PostgreSQL runs "${options.table}"`;
  try {
    const table = parseTable(options.table, use);
    const timeoutMs = checkPositive('timeoutMs', options.timeoutMs ?? DEFAULT_CALL_MS, use);
    const opening = {
      name,
      use,
      driver,
      table,
      marked: MARKED,
      mark: RUNS_MARK,
      definitionsOf: runDefinitionsOf,
    };
    const { schema, warn } = await withDeadline({ clock, name, ms: timeoutMs, code: use.code }, (signal) =>
      openTables({ ...opening, signal }),
    );
    warn();
    const names = runNamesOf(schema, table.prefix);
    return new PostgresRunStore({ name, use, driver, names, clock, timeoutMs });
  } catch (error) {
    driver.close();
    throw toUnusable(name, error, use.code);
  }
}
