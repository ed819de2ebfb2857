/** The file of a SQLite log as a kind of file. It starts a new epoch if the newest events may be lost. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { DatabaseSync } from 'node:sqlite';
import { systemClock, type Clock } from '../../base/clock.ts';
import { damaged } from '../../database/sqlite/errors.ts';
import type { FileKind, OpenedFile } from '../../database/sqlite/file-kind.ts';
import type { FileOptions } from '../../database/sqlite/open-file.ts';
import { randomEpoch } from '../bounds.ts';
import { APPLICATION_ID, FORMAT, prepareStatements, SCHEMA } from './schema.ts';

interface Writer {
  readonly clock: Clock;
  readonly synchronous: FileOptions['synchronous'];
  /** Identifies the current boot of the operating system. */
  readonly bootId: string;
}

export function logFile(writer: Writer): FileKind {
  const kind: FileKind = {
    noun: 'log',
    code: 'log_failed',
    applicationId: APPLICATION_ID,
    format: FORMAT,
    schema: SCHEMA,
    isReadWhole: true,
    prepare: (db) => void prepareStatements(db),
    settle: (db, opened, path) => settle(kind, db, opened, path, writer),
  };
  return kind;
}

function settle(
  kind: FileKind,
  db: DatabaseSync,
  { isNew, isUnclean }: OpenedFile,
  path: string,
  { clock, synchronous, bootId }: Writer,
): void {
  if (isNew) {
    db.prepare('INSERT INTO meta (only_row, epoch, boot) VALUES (1, ?, ?)').run(
      randomEpoch(clock),
      bootNote(synchronous, bootId),
    );
  }
  const meta = db.prepare('SELECT epoch, boot FROM meta').get();
  if (meta === undefined) throw damaged(kind, path, 'its own description is missing');
  const [writtenThrough, boot] = readBootNote(String(meta['boot']));
  const lost = !writtenThrough && isUnclean && !isSameBoot(boot, bootId);
  if (lost) beginAnew(db, otherEpoch(clock, String(meta['epoch'])));
  // If any process since boot used synchronous=normal, the newest commits may be lost in a crash; record the weaker
  // mode.
  const through = synchronous === 'full' && (writtenThrough || !isSameBoot(boot, bootId));
  db.prepare('UPDATE meta SET boot = ?').run(bootNote(through ? 'full' : 'normal', bootId));
}

function bootNote(synchronous: FileOptions['synchronous'], bootId: string): string {
  return `${synchronous} ${bootId}`;
}

function readBootNote(note: string): [writtenThrough: boolean, bootId: string] {
  const space = note.indexOf(' ');
  return [note.slice(0, space) === 'full', note.slice(space + 1)];
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
