/** The log in a SQLite file. A separate entry, so that only its users load `node:sqlite`. */
export { sqliteLog } from './lib/log/sqlite/sqlite-log.ts';
export type { SqliteLogOptions } from './lib/log/sqlite/options.ts';
export type { LogBounds } from './lib/log/bounds.ts';
