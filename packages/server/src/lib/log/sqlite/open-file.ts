/**
 * Opens the file of a SQLite log. It creates a missing one and rejects a foreign one. It starts a new
 * epoch if the newest events may be lost.
 */
import { accessSync, closeSync, constants, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock, type Clock } from '../../base/clock.ts';
import { randomEpoch } from '../bounds.ts';
import { damaged, failure, isBusy, toLogError } from './errors.ts';
import { APPLICATION_ID, FORMAT, prepareStatements, SCHEMA } from './schema.ts';

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
  /** Identifies the current boot of the operating system. */
  readonly bootId: string;
}

export interface OpenFile {
  readonly db: DatabaseSync;
  /** Shows whether the path still names this file. */
  readonly inode: bigint;
}

/**
 * Opens the file at process start. Blocks the event loop while another process holds it.
 *
 * @throws LinefeedError `log_failed`, naming the path and what was found there.
 */
export function openFile(options: FileOptions): OpenFile {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return tryOpenFile(options);
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (attempt === OPEN_ATTEMPTS) throw toLogError(error, options.path, 'opened');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_RETRY_MS);
    }
  }
}

/**
 * Opens the file without waiting for a lock, now or in later statements.
 *
 * @throws the error of SQLite if another process holds the file; else LinefeedError `log_failed`.
 */
export function tryOpenFile(options: FileOptions): OpenFile {
  const { path } = options;
  checkDirectory(path);
  checkMagic(path);
  // After a system crash the newest writes may be missing, unless the last process had closed the file.
  const unclean = fileSize(`${path}-wal`) > 0;
  // Read before the file is opened, so that the next check detects a file replaced in between.
  const inode = inodeOf(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec('PRAGMA busy_timeout = 0');
    if (checkIdentity(db, path)) {
      // Detects a held file before the whole file is read.
      db.exec('BEGIN IMMEDIATE; ROLLBACK');
      checkSound(db, path);
    }
    prepare(db, options, unclean);
    db.exec(`
      PRAGMA wal_autocheckpoint = ${JOURNAL_BYTES / 4096};
      PRAGMA journal_size_limit = ${JOURNAL_BYTES};
    `);
    return { db, inode: inode ?? inodeOf(path) ?? 0n };
  } catch (error) {
    db?.close();
    throw isBusy(error) ? error : toLogError(error, path, 'opened');
  }
}

/** Returns `undefined` if there is no file at the path. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/**
 * Starts a new epoch in the same file, because cursors of the old one may name lost events. Call it within a
 * transaction.
 */
export function beginAnew(db: DatabaseSync, epoch: string): void {
  db.prepare(
    `UPDATE meta SET parent = epoch, epoch = ?, evicted = sequence, forgotten = sequence, events = 0, bytes = 0, idle = 0`,
  ).run(epoch);
  // Readers may have seen the held events in the old epoch. In the new epoch they would get them a second time.
  db.exec(
    `DELETE FROM event; DELETE FROM address WHERE latest = 0; UPDATE address SET held = 0, evicted = 0, last = NULL`,
  );
}

/** A random epoch that differs from the previous one. */
export function otherEpoch(clock: Clock, before: string): string {
  let epoch = randomEpoch(clock);
  while (epoch === before) epoch = randomEpoch(clock);
  return epoch;
}

/** Identifies the current boot of the operating system. */
export function currentBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `at ${Math.round(systemClock.wallNow() / 1000 - uptime())}`;
  }
}

const BOOT_TIME_TOLERANCE_S = 10;

function isSameBoot(a: string, b: string): boolean {
  if (a === b) return true;
  const [timeA, timeB] = [a, b].map((boot) => (boot.startsWith('at ') ? Number(boot.slice(3)) : Number.NaN));
  return Math.abs(timeA! - timeB!) <= BOOT_TIME_TOLERANCE_S;
}

function checkDirectory(path: string): void {
  const directory = dirname(path);
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) {
    throw failure(
      `The directory ${directory} of the log ${path} does not exist; create it before the log is opened.`,
    );
  }
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined)
      accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw failure(
      `The log ${path} cannot be written: this process has no right to, or the disk is read-only; the file and its directory must both be writable.`,
      cause,
    );
  }
}

/** Runs before SQLite opens the file, so that a foreign file stays unchanged to the byte. */
function checkMagic(path: string): void {
  if (fileSize(path) === 0) return;
  const bytes = Buffer.alloc(MAGIC.length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, bytes);
  } catch (cause) {
    throw failure(`The log ${path} cannot be read: ${(cause as Error).message}.`, cause);
  } finally {
    closeSync(fd);
  }
  if (bytes.toString('latin1') === MAGIC) return;
  throw failure(
    `${path} is not a SQLite file: it begins with ${JSON.stringify(bytes.toString('latin1'))}. Nothing was changed; give the log a path of its own, or move that file away.`,
  );
}

/** One statement: between two, another process may create the log. */
const IDENTITY = `
  SELECT application_id AS id, user_version AS format, (SELECT count(*) FROM sqlite_schema) AS tables
  FROM pragma_application_id, pragma_user_version`;

/** Whether the file already contains a log. */
function checkIdentity(db: DatabaseSync, path: string): boolean {
  const { id, format, tables } = db.prepare(IDENTITY).get() as Record<string, number>;
  if (id === 0 && tables === 0 && format === 0) return false;
  if (id !== APPLICATION_ID) {
    throw failure(
      `${path} is a SQLite file of another program (application id ${id}, ${tables} tables and indexes, version ${format}). Nothing was changed; give the log a path of its own.`,
    );
  }
  if (format !== FORMAT) {
    throw failure(
      `${path} is a log of format ${format}, this version of Linefeed reads format ${FORMAT}. Nothing was changed; use the version that wrote it, or another path.`,
    );
  }
  return true;
}

function checkSound(db: DatabaseSync, path: string): void {
  const found = String(db.prepare('PRAGMA quick_check(1)').get()!['quick_check']);
  if (found !== 'ok') throw damaged(path, found);
  // Preparing the statements finds a missing table or column before anything is written.
  prepareStatements(db);
}

/** Creates what is missing in one transaction, so that only one of two concurrent first processes does it. */
function prepare(
  db: DatabaseSync,
  { path, synchronous, clock, bootId }: FileOptions,
  unclean: boolean,
): void {
  const mode = String(db.prepare('PRAGMA journal_mode = WAL').get()!['journal_mode']);
  if (mode !== 'wal') {
    throw failure(
      `The log ${path} cannot be shared by processes: its file system does not let SQLite keep a write-ahead log (journal mode ${mode}); use a local disk.`,
    );
  }
  // With less than FULL, a crash could revert the note of the mode and boot of the last writer.
  db.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE');
  try {
    if (!checkIdentity(db, path)) {
      db.exec(SCHEMA);
      db.prepare('INSERT INTO meta (only_row, epoch, boot) VALUES (1, ?, ?)').run(
        randomEpoch(clock),
        bootNote(synchronous, bootId),
      );
    }
    const meta = db.prepare('SELECT epoch, boot FROM meta').get();
    if (meta === undefined) throw damaged(path, 'its own description is missing');
    const [writtenThrough, boot] = readBootNote(String(meta['boot']));
    const lost = !writtenThrough && unclean && !isSameBoot(boot, bootId);
    if (lost) beginAnew(db, otherEpoch(clock, String(meta['epoch'])));
    // If any process since boot used synchronous=normal, the newest commits may be lost in a crash; record the weaker
    // mode.
    const through = synchronous === 'full' && (writtenThrough || !isSameBoot(boot, bootId));
    db.prepare('UPDATE meta SET boot = ?').run(bootNote(through ? 'full' : 'normal', bootId));
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
  db.exec(`PRAGMA synchronous = ${synchronous}`);
}

function bootNote(synchronous: 'normal' | 'full', bootId: string): string {
  return `${synchronous} ${bootId}`;
}

function readBootNote(note: string): [writtenThrough: boolean, bootId: string] {
  const space = note.indexOf(' ');
  return [note.slice(0, space) === 'full', note.slice(space + 1)];
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
