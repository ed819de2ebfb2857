/** The log and the runs in PostgreSQL. A separate entry, so that only its users load it. */
export { postgresLog } from './lib/log/postgres/postgres-log.ts';
export type { PostgresLogOptions } from './lib/log/postgres/options.ts';
export { postgresRuns } from './lib/runs/postgres/postgres-runs.ts';
export type { PostgresRunsOptions } from './lib/runs/postgres/postgres-runs.ts';
export type { PostgresTransaction } from './lib/log/postgres/outbox.ts';
export type { PgClient, PgPool } from './lib/database/postgres/pg-driver.ts';
export type { PostgresClient, PostgresSql } from './lib/database/postgres/postgres-driver.ts';
export type { LogBounds } from './lib/log/bounds.ts';
