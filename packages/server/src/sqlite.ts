/** The log in a SQLite file. Its own entry, so that only who uses it loads `node:sqlite`. */
export { sqliteLog } from './lib/logs/sqlite.ts';
export type { SqliteLogOptions } from './lib/logs/sqlite.ts';
export type { LogBounds } from './lib/logs/bounds.ts';
