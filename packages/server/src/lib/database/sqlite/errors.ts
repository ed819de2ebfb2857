/** Converts SQLite's errors to errors that name the file and a remedy. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { FileKind } from './file-kind.ts';

const SQLITE = {
  error: 1,
  busy: 5,
  locked: 6,
  readonly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
};

export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.busy || code === SQLITE.locked;
}

/** Extended codes: failed to write, sync, sync the directory, truncate, or grow the shared memory. */
const WRITE_FAILURES = [3, 4, 5, 6, 19];

/** Whether only writes fail, so that the existing data can still be read. */
export function isUnwritable(error: unknown): boolean {
  const code = sqliteCode(error);
  if (code === SQLITE.io) return WRITE_FAILURES.includes((error as { errcode: number }).errcode >> 8);
  return isBusy(error) || code === SQLITE.readonly || code === SQLITE.full;
}

/** SQLite's primary code. Extended codes have more information in their upper bits. */
function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Adds the path and a remedy to an error of SQLite. */
export function toFileError(
  kind: FileKind,
  error: unknown,
  path: string,
  doing: 'opened' | 'read' | 'written',
): unknown {
  const code = sqliteCode(error);
  if (code === undefined) return error;
  // Linefeed's own statements do not fail with this code unless a table or a column is missing.
  if (code === SQLITE.corrupt || code === SQLITE.notADatabase || code === SQLITE.error)
    return damaged(kind, path, (error as Error).message, error);
  const busy = isBusy(error);
  const advice = busy
    ? 'another process holds it for too long; look for a tool that has it open'
    : code === SQLITE.full
      ? `the disk is full; free some space, and the ${kind.noun} continues`
      : code === SQLITE.readonly || code === SQLITE.cannotOpen
        ? 'the file and its directory must exist and be writable'
        : 'look at the disk it is on';
  const message = `The ${kind.noun} ${path} cannot be ${doing}: ${(error as Error).message} (SQLite ${code}); ${advice}.`;
  return new LinefeedError(kind.code, message, { cause: error, retryable: busy || code === SQLITE.full });
}

export function damaged(kind: FileKind, path: string, found: string, cause?: unknown): LinefeedError {
  return failure(
    kind,
    `The ${kind.noun} ${path} is damaged (${found}). Nothing was changed; move it and its -wal and -shm files away, and a new ${kind.noun} is created.`,
    cause,
  );
}

/** The error of a file that cannot be used. */
export function failure(kind: FileKind, message: string, cause?: unknown): LinefeedError {
  return new LinefeedError(kind.code, message, cause === undefined ? {} : { cause });
}
