/** The log and the store of runs in SQLite files. A separate entry, so that only its users load `node:sqlite`. */
export { sqliteLog } from './lib/log/sqlite/sqlite-log.ts';
export { sqliteRuns } from './lib/runs/sqlite/sqlite-runs.ts';
export type { SqliteLogOptions } from './lib/log/sqlite/options.ts';
export type { SqliteRunsOptions } from './lib/runs/sqlite/options.ts';
export type { LogBounds } from './lib/log/bounds.ts';
