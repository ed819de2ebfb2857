/** Opens the file of a SQLite log: makes a new one, refuses what is none, starts anew where its end may be lost. */
import { accessSync, closeSync, constants, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock, type Clock } from '../clock.ts';
import { randomEpoch } from './bounds.ts';
import { damaged, failure, isBusy, toLogError } from './sqlite-errors.ts';
import { APPLICATION_ID, FORMAT, prepareStatements, SCHEMA } from './sqlite-schema.ts';

const MAGIC = 'SQLite format 3\0';

/** The start of a process waits for another one that holds the file: 5 s at most. */
const OPEN_ATTEMPTS = 250;
const OPEN_RETRY_MS = 20;
/** Size of the write-ahead log at which SQLite brings it into the file, which waits for the disk. */
const JOURNAL_BYTES = 16 * 1024 * 1024;

export interface FileOptions {
  /** Absolute. */
  readonly path: string;
  readonly synchronous: 'normal' | 'full';
  readonly clock: Clock;
  /** Identity of this run of the operating system. */
  readonly bootId: string;
}

export interface OpenFile {
  readonly db: DatabaseSync;
  /** Tells whether the path still names this file. */
  readonly inode: bigint;
}

/**
 * Opens the file when a process starts: blocks the event loop while another process holds it.
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
 * Opens the file without waiting for a lock, now or later.
 *
 * @throws what SQLite throws where another process holds the file; else LinefeedError `log_failed`.
 */
export function tryOpenFile(options: FileOptions): OpenFile {
  const { path } = options;
  checkDirectory(path);
  checkMagic(path);
  // The end of what the last run of the system wrote may be missing, unless the last process closed the file.
  const unclean = fileSize(`${path}-wal`) > 0;
  // Taken before the file is opened: one that is replaced meanwhile is then noticed by the next check.
  const inode = inodeOf(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec('PRAGMA busy_timeout = 0');
    if (checkIdentity(db, path)) {
      // A file that is held is noticed before all of it is read.
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

/** `undefined`: there is no file of this name. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** A new epoch in the same file: cursors of the old one may name events that are lost. Within a transaction. */
export function beginAnew(db: DatabaseSync, epoch: string): void {
  db.prepare(
    `UPDATE meta SET parent = epoch, epoch = ?, evicted = sequence, forgotten = sequence, events = 0, bytes = 0, idle = 0`,
  ).run(epoch);
  // What was held may have been seen under the old epoch: in the new one it would come a second time.
  db.exec(
    `DELETE FROM event; DELETE FROM address WHERE latest = 0; UPDATE address SET held = 0, evicted = 0, last = NULL`,
  );
}

/** An epoch that is not the one before, whatever chance says. */
export function otherEpoch(clock: Clock, before: string): string {
  let epoch = randomEpoch(clock);
  while (epoch === before) epoch = randomEpoch(clock);
  return epoch;
}

/** Identity of this run of the operating system. */
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

/** Before SQLite sees it: a foreign file stays as it is, to the byte. */
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

/** In one statement: between two, another process may make the log. */
const IDENTITY = `
  SELECT application_id AS id, user_version AS format, (SELECT count(*) FROM sqlite_schema) AS tables
  FROM pragma_application_id, pragma_user_version`;

/** Whether there is a log already. */
function checkIdentity(db: DatabaseSync, path: string): boolean {
  const { id, format, tables } = db.prepare(IDENTITY).get() as Record<string, number>;
  if (id === 0 && tables === 0 && format === 0) return false;
  if (id !== APPLICATION_ID) {
    throw failure(
      `${path} is a SQLite file of something else (application id ${id}, ${tables} tables and indexes, version ${format}). Nothing was changed; give the log a path of its own.`,
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
  // Tells of a table or column that is missing, before anything is written.
  prepareStatements(db);
}

/** Makes what is missing, in one transaction: of two processes that come first together, one does it. */
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
  // Written through, or a crash could take back the note of who wrote here.
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
    // Two processes of one run: as soon as one of them does not write through, the end may be lost.
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
