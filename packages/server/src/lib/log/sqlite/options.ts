/** The options of a SQLite log, and their defaults and checks. */
import { resolve as resolvePath } from 'node:path';
import { LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { checkLogOptions, resolveBounds, type DEFAULT_BOUNDS, type LogBounds } from '../bounds.ts';
import { currentBootId, type FileOptions } from './open-file.ts';

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
  const path = checkPath(options.path);
  if (synchronous !== 'normal' && synchronous !== 'full') {
    throw invalid(`synchronous must be "normal" or "full", not ${JSON.stringify(synchronous)}.`);
  }
  const bootId = options.bootId ?? currentBootId();
  return { file: { path, synchronous, clock, bootId }, bounds, pollMs };
}

function checkPath(path: string): string {
  if (typeof path === 'string' && path !== '' && !path.startsWith(':') && !path.startsWith('file:')) {
    return resolvePath(path);
  }
  throw invalid(
    `path of a sqliteLog must be the path of a file, not ${JSON.stringify(path)}; for a log in memory use memoryLog.`,
  );
}

function checkPollMs(ms: number): number {
  if (ms > 0 && ms < Infinity) return ms;
  throw invalid(`pollMs of a sqliteLog must be a positive number, not ${String(ms)}.`);
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}
