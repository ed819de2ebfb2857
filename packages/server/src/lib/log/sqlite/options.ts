/** The options of a SQLite log, and their defaults and checks. */
import { LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { checkLogOptions, resolveBounds, type DEFAULT_BOUNDS, type LogBounds } from '../bounds.ts';
import type { FileOptions } from '../../database/sqlite/open-file.ts';
import { checkPath } from '../../database/sqlite/path.ts';
import { currentBootId, logFile } from './log-file.ts';

/** The options of `sqliteLog`. */
export interface SqliteLogOptions extends LogBounds {
  /** The path of the file; its directory must exist. SQLite keeps `<path>-wal` and `<path>-shm` beside it. */
  readonly path: string;
  /**
   * Durability after a stop of the operating system (power, kernel). The end of a process, `kill -9` included, loses
   * nothing in either mode.
   *
   * - `normal`: the newest appends may be lost. The log detects this and starts a new epoch.
   * - `full`: nothing is lost. Every append waits for the disk.
   *
   * @default `normal`
   */
  readonly synchronous?: 'normal' | 'full' | undefined;
  /**
   * Interval of the poll for appends of other processes. Milliseconds.
   *
   * @default 15
   */
  readonly pollMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
  /** @internal */
  readonly bootId?: string | undefined;
}

/** `resolveOptions` checks path, pollMs and synchronous by value. */
const SQLITE_OPTIONS = {
  path: 'any',
  synchronous: 'any',
  pollMs: 'any',
  bootId: 'hidden',
} satisfies Partial<Record<keyof SqliteLogOptions, string>>;
const DEFAULT_POLL_MS = 15;

export interface ResolvedOptions {
  readonly file: FileOptions;
  readonly bounds: typeof DEFAULT_BOUNDS;
  readonly pollMs: number;
}

/** @throws LinefeedError `invalid_option` */
export function resolveOptions(options: SqliteLogOptions): ResolvedOptions {
  checkLogOptions('sqliteLog', options, SQLITE_OPTIONS);
  const { clock = systemClock, synchronous = 'normal' } = options;
  const bounds = resolveBounds(options);
  const pollMs = checkPollMs(options.pollMs ?? DEFAULT_POLL_MS);
  const path = checkPath('sqliteLog', options.path, 'for a log in memory use memoryLog');
  if (synchronous !== 'normal' && synchronous !== 'full') {
    throw invalid(`synchronous must be "normal" or "full", not ${JSON.stringify(synchronous)}.`);
  }
  const bootId = options.bootId ?? currentBootId();
  const kind = logFile({ clock, synchronous, bootId });
  return { file: { path, synchronous, clock, kind }, bounds, pollMs };
}

function checkPollMs(ms: number): number {
  if (ms > 0 && ms < Infinity) return ms;
  throw invalid(`pollMs of a sqliteLog must be a positive number, not ${String(ms)}.`);
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}
