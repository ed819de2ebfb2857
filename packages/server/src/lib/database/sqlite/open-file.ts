/** Opens a SQLite file of Linefeed. It creates a missing one and rejects a foreign one. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../base/clock.ts';
import { damaged, failure, isBusy, toFileError } from './errors.ts';
import type { FileKind } from './file-kind.ts';

const MAGIC = 'SQLite format 3\0';

/** A starting process waits up to 5 s for another one that holds the file. */
const OPEN_ATTEMPTS = 250;
const OPEN_RETRY_MS = 20;
/** Size of the write-ahead log at which SQLite writes it back to the file (checkpoint), which waits for the disk. */
const JOURNAL_BYTES = 16 * 1024 * 1024;

export interface FileOptions {
  /** Absolute path. */
  readonly path: string;
  readonly synchronous: 'normal' | 'full';
  readonly clock: Clock;
  readonly kind: FileKind;
}

export interface OpenFile {
  readonly db: DatabaseSync;
  /** Shows whether the path still names this file. */
  readonly inode: bigint;
}

/**
 * Opens the file at process start. Blocks the event loop while another process holds it.
 *
 * @throws LinefeedError with the code of the kind, naming the path and what was found there.
 */
export function openFile(options: FileOptions): OpenFile {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return tryOpenFile(options);
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (attempt === OPEN_ATTEMPTS) throw toFileError(options.kind, error, options.path, 'opened');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_RETRY_MS);
    }
  }
}

/**
 * Opens the file without waiting for a lock, now or in later statements.
 *
 * @throws the error of SQLite if another process holds the file; else LinefeedError with the code of the kind.
 */
export function tryOpenFile(options: FileOptions): OpenFile {
  const { path, kind } = options;
  checkDirectory(kind, path);
  checkMagic(kind, path);
  // After a system crash the newest writes may be missing, unless the last process had closed the file.
  const isUnclean = fileSize(`${path}-wal`) > 0;
  // Read before the file is opened, so that the next check detects a file replaced in between.
  const inode = inodeOf(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec('PRAGMA busy_timeout = 0');
    if (checkIdentity(kind, db, path)) {
      // Detects a held file before the whole file is read.
      db.exec('BEGIN IMMEDIATE; ROLLBACK');
      checkSound(kind, db, path);
    }
    prepare(db, options, isUnclean);
    db.exec(`
      PRAGMA wal_autocheckpoint = ${JOURNAL_BYTES / 4096};
      PRAGMA journal_size_limit = ${JOURNAL_BYTES};
    `);
    return { db, inode: inode ?? inodeOf(path) ?? 0n };
  } catch (error) {
    db?.close();
    throw isBusy(error) ? error : toFileError(kind, error, path, 'opened');
  }
}

/** Returns `undefined` if there is no file at the path. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function checkDirectory(kind: FileKind, path: string): void {
  const directory = dirname(path);
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) {
    throw failure(
      kind,
      `The directory ${directory} of the ${kind.noun} ${path} does not exist; create it before the ${kind.noun} is opened.`,
    );
  }
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined)
      accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw failure(
      kind,
      `The ${kind.noun} ${path} cannot be written: this process has no right to, or the disk is read-only; the file and its directory must both be writable.`,
      cause,
    );
  }
}

/** Runs before SQLite opens the file, so that a foreign file stays unchanged to the byte. */
function checkMagic(kind: FileKind, path: string): void {
  if (fileSize(path) === 0) return;
  const bytes = Buffer.alloc(MAGIC.length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, bytes);
  } catch (cause) {
    throw failure(kind, `The ${kind.noun} ${path} cannot be read: ${(cause as Error).message}.`, cause);
  } finally {
    closeSync(fd);
  }
  if (bytes.toString('latin1') === MAGIC) return;
  throw failure(
    kind,
    `${path} is not a SQLite file: it begins with ${JSON.stringify(bytes.toString('latin1'))}. Nothing was changed; give the ${kind.noun} a path of its own, or move that file away.`,
  );
}

/** One statement: between two, another process may create the tables. */
const IDENTITY = `
  SELECT application_id AS id, user_version AS format, (SELECT count(*) FROM sqlite_schema) AS tables
  FROM pragma_application_id, pragma_user_version`;

/** Whether the file already has the tables. */
function checkIdentity(kind: FileKind, db: DatabaseSync, path: string): boolean {
  const { id, format, tables } = db.prepare(IDENTITY).get() as Record<string, number>;
  if (id === 0 && tables === 0 && format === 0) return false;
  if (id !== kind.applicationId) {
    throw failure(
      kind,
      `${path} is a SQLite file of another program (application id ${id}, ${tables} tables and indexes, version ${format}). Nothing was changed; give the ${kind.noun} a path of its own.`,
    );
  }
  if (format !== kind.format) {
    throw failure(
      kind,
      `${path} is a ${kind.noun} of format ${format}, this version of Linefeed reads format ${kind.format}. Nothing was changed; use the version that wrote it, or another path.`,
    );
  }
  return true;
}

function checkSound(kind: FileKind, db: DatabaseSync, path: string): void {
  if (kind.isReadWhole) {
    const found = String(db.prepare('PRAGMA quick_check(1)').get()!['quick_check']);
    if (found !== 'ok') throw damaged(kind, path, found);
  }
  // Preparing the statements finds a missing table or column before anything is written.
  kind.prepare(db);
}

/** Creates what is missing in one transaction, so that only one of two concurrent first processes does it. */
function prepare(db: DatabaseSync, { path, synchronous, kind }: FileOptions, isUnclean: boolean): void {
  const mode = String(db.prepare('PRAGMA journal_mode = WAL').get()!['journal_mode']);
  if (mode !== 'wal') {
    throw failure(
      kind,
      `The ${kind.noun} ${path} cannot be shared by processes: its file system does not let SQLite keep a write-ahead log (journal mode ${mode}); use a local disk.`,
    );
  }
  // With less than FULL, a crash could revert what the kind notes about its last writer.
  db.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
  try {
    const isNew = !checkIdentity(kind, db, path);
    if (isNew) {
      db.exec(kind.schema);
      db.exec(`PRAGMA application_id = ${kind.applicationId}; PRAGMA user_version = ${kind.format}`);
    }
    kind.settle?.(db, { isNew, isUnclean }, path);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
  db.exec(`PRAGMA synchronous = ${synchronous}`);
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
