/** The tables of a store of runs in a SQLite file, its rows and its statements. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { FileKind } from '../../database/sqlite/file-kind.ts';

const SCHEMA = `
  CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- No version of a record that was deleted is greater.
    deleted_version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO meta (only_row, deleted_version) VALUES (1, 0);
  -- Only small columns: an append of events rewrites the row.
  CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    -- Milliseconds since 1970.
    lease_until INTEGER NOT NULL,
    kept_until INTEGER NOT NULL,
    -- The run of the last append.
    run INTEGER,
    run_name TEXT
  ) STRICT;
  CREATE TABLE state (
    record INTEGER PRIMARY KEY,
    text TEXT NOT NULL
  ) STRICT;
  CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    -- 0: the run is dropped, and its batches are being deleted.
    record INTEGER NOT NULL,
    name TEXT NOT NULL
  ) STRICT;
  CREATE INDEX run_record ON run (record, name);
  -- The events of one append.
  CREATE TABLE batch (
    -- run << 32 | number of the first event: the batches of a run are neighbours, and there is no other index.
    id INTEGER PRIMARY KEY,
    data TEXT NOT NULL
  ) STRICT;
`;

/** The kind of file of a store of runs. */
export const RUNS_FILE: FileKind = {
  noun: 'store of runs',
  code: 'runs_failed',
  // LFRN
  applicationId: 0x4c_46_52_4e,
  format: 1,
  schema: SCHEMA,
  isReadWhole: false,
  prepare: (db) => void prepareStatements(db),
};

export interface RecordRow {
  readonly version: number;
  readonly state: string;
  readonly count: number;
  readonly lease_until: number;
}

export interface VersionRow {
  /** Index of the key in the list of keys. */
  readonly place: number;
  readonly version: number;
  readonly kept_until: number;
}

/** Milliseconds and versions are bound as numbers of 53 bits; only `<<` needs 64 bits. */
const STATEMENTS = {
  dataVersion: 'PRAGMA data_version',
  load: `
    SELECT version, text AS state, count, lease_until
    FROM record JOIN state ON state.record = record.id WHERE key = ? AND kept_until > ?`,
  update: `
    UPDATE record SET version = version + 1, count = ?, lease_until = ?, kept_until = ?
    WHERE key = ? AND version = ? AND kept_until > ? RETURNING id, version, run, run_name AS runName`,
  updateById: `
    UPDATE record SET version = version + 1, count = ?, lease_until = ?, kept_until = ?
    WHERE id = ? AND version = ? AND kept_until > ?`,
  find: 'SELECT id, version, kept_until FROM record WHERE key = ?',
  insert: 'INSERT INTO record (key, version, count, lease_until, kept_until) VALUES (?, ?, ?, ?, ?)',
  insertState: 'INSERT INTO state (record, text) VALUES (?, ?)',
  updateState: 'UPDATE state SET text = ? WHERE record = ?',
  deletedVersion: 'SELECT deleted_version FROM meta',
  raiseDeletedVersion: 'UPDATE meta SET deleted_version = max(deleted_version, ?)',
  findRun: 'SELECT id FROM run WHERE record = ? AND name = ?',
  insertRun: 'INSERT INTO run (record, name) VALUES (?, ?)',
  setRun: 'UPDATE record SET run = ?, run_name = ? WHERE id = ?',
  dropRun: 'UPDATE run SET record = 0 WHERE record = ? AND name = ?',
  dropRuns: 'UPDATE run SET record = 0 WHERE record = ?',
  append: 'INSERT INTO batch (id, data) VALUES ((? << 32) | ?, ?)',
  runOf: `
    SELECT run.id AS id FROM record JOIN run ON run.record = record.id AND run.name = ?
    WHERE record.key = ? AND record.kept_until > ?`,
  // The batch that has the event of this number, and all later ones.
  batches: `
    SELECT id & 4294967295 AS first, data FROM batch
    WHERE id >= coalesce((SELECT max(id) FROM batch WHERE id BETWEEN (? << 32) AND (? << 32) | ?), ? << 32)
      AND id < (? + 1) << 32
    ORDER BY id`,
  versions: `
    SELECT list.key AS place, version, kept_until
    FROM json_each(?) AS list JOIN record ON record.key = list.value`,
  keys: 'SELECT key FROM record WHERE key >= ? AND kept_until > ? ORDER BY key',
  // Deletion, in steps.
  lastOf: 'SELECT max(id) AS id FROM (SELECT id FROM record WHERE id > ? ORDER BY id LIMIT ?)',
  expired: 'SELECT id, version FROM record WHERE id > ? AND id <= ? AND kept_until <= ? ORDER BY id LIMIT ?',
  deleteRecord: 'DELETE FROM record WHERE id = ? AND version = ?',
  deleteState: 'DELETE FROM state WHERE record = ?',
  dropped: 'SELECT id FROM run WHERE record = 0 LIMIT 1',
  deleteBatches: `
    DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE id BETWEEN (? << 32) AND ((? + 1) << 32) - 1 LIMIT ?)`,
  deleteDropped: 'DELETE FROM run WHERE id = ? AND record = 0',
  raiseVersions: 'UPDATE record SET version = max(version, ?) + 1',
};

export type Statements = { readonly [K in keyof typeof STATEMENTS]: StatementSync };

export function prepareStatements(db: DatabaseSync): Statements {
  return Object.fromEntries(
    Object.entries(STATEMENTS).map(([name, text]) => [name, db.prepare(text)]),
  ) as Statements;
}
