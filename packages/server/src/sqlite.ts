/** The log in a SQLite file. A separate entry, so that only its users load `node:sqlite`. */
export { sqliteLog } from './lib/logs/sqlite.ts';
export type { SqliteLogOptions } from './lib/logs/sqlite.ts';
export type { LogBounds } from './lib/logs/bounds.ts';
