/** The tables of a SQLite log, its rows and its statements. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** `LFLG`. */
export const APPLICATION_ID = 0x4c_46_4c_47;
export const FORMAT = 1;
export const SCHEMA: string = `
  CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch TEXT NOT NULL,
    -- The epoch that this one replaced because the end of the log was lost.
    parent TEXT,
    -- The run of the operating system that wrote last.
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    -- Newest evicted position, of all addresses and of forgotten ones.
    evicted INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    latest_events INTEGER NOT NULL DEFAULT 0,
    latest_bytes INTEGER NOT NULL DEFAULT 0,
    -- Addresses without held events.
    idle INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE address (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- Position of its newest event ever; NULL: unknown.
    last INTEGER,
    evicted INTEGER NOT NULL,
    -- How many rows of event, and the position of its row of latest or 0.
    held INTEGER NOT NULL DEFAULT 0,
    latest INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX address_idle ON address (evicted) WHERE held = 0 AND latest = 0;
  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    address INTEGER NOT NULL,
    prev INTEGER,
    appended_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    key TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_address ON event (address);
  CREATE UNIQUE INDEX event_key ON event (address, key) WHERE key IS NOT NULL;
  CREATE TABLE latest (
    position INTEGER PRIMARY KEY,
    address INTEGER NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    key TEXT,
    data TEXT NOT NULL
  ) STRICT;
`;

/** The only row of `meta`: the epoch, the last position and the counters of the log. */
export interface Meta {
  readonly epoch: string;
  readonly parent: string | null;
  sequence: number;
  evicted: number;
  forgotten: number;
  events: number;
  bytes: number;
  latest_events: number;
  latest_bytes: number;
  idle: number;
}

export interface AddressRow {
  readonly id: number;
  readonly name: string;
  readonly last: number | null;
  readonly evicted: number;
  readonly held: number;
  readonly latest: number;
}

export interface EventRow {
  readonly position: number;
  readonly address: string;
  readonly prev: number | null;
  readonly data: string;
}

export interface OldRow {
  readonly position: number;
  readonly address: number;
  readonly bytes: number;
  readonly appended_at: number;
}

const STATEMENTS = {
  version: 'PRAGMA data_version',
  meta: `SELECT epoch, parent, sequence, evicted, forgotten, events, bytes, latest_events, latest_bytes, idle FROM meta`,
  saveMeta: `UPDATE meta SET sequence = ?, evicted = ?, forgotten = ?, events = ?, bytes = ?, latest_events = ?, latest_bytes = ?, idle = ?`,
  address: 'SELECT id, name, last, evicted, held, latest FROM address WHERE name = ?',
  insertAddress: 'INSERT INTO address (name, last, evicted) VALUES (?, ?, ?)',
  updateAddress: 'UPDATE address SET last = ?, evicted = ?, held = ?, latest = ? WHERE id = ?',
  deleteAddress: 'DELETE FROM address WHERE id = ?',
  idle: 'SELECT id, evicted FROM address WHERE held = 0 AND latest = 0 ORDER BY evicted LIMIT ?',
  keyOfEvent: 'SELECT position, data FROM event WHERE address = ? AND key = ?',
  keyOfLatest: 'SELECT position, data FROM latest WHERE address = ? AND key = ?',
  insertEvent:
    'INSERT INTO event (position, address, prev, appended_at, bytes, key, data) VALUES (?, ?, ?, ?, ?, ?, ?)',
  insertLatest: 'INSERT INTO latest (position, address, bytes, key, data) VALUES (?, ?, ?, ?, ?)',
  deleteLatest: 'DELETE FROM latest WHERE position = ? RETURNING bytes',
  sizeOfAddress: 'SELECT total(bytes) AS bytes FROM event WHERE address = ?',
  deleteOfAddress: 'DELETE FROM event WHERE address = ?',
  oldest: 'SELECT appended_at FROM event ORDER BY position LIMIT 1',
  oldEvents: 'SELECT position, address, bytes, appended_at FROM event ORDER BY position LIMIT ?',
  oldLatest: 'SELECT position, address, bytes FROM latest ORDER BY position LIMIT ?',
  deleteEvents: 'DELETE FROM event WHERE position <= ?',
  deleteLatestThrough: 'DELETE FROM latest WHERE position <= ?',
  markHeld:
    'UPDATE address SET evicted = max(evicted, ?), held = held - ? WHERE id = ? RETURNING held, latest',
  markLatest: 'UPDATE address SET evicted = max(evicted, ?), latest = 0 WHERE id = ? RETURNING held, latest',
  positions: 'SELECT position FROM event WHERE address = ? AND position > ? ORDER BY position LIMIT ?',
  event: 'SELECT prev, data FROM event WHERE position = ?',
  latest: 'SELECT NULL AS prev, data FROM latest WHERE position = ?',
  // Both halves are already sorted, so SQLite merges them row by row and reads no more than the limit takes.
  // Plain placeholders: Node 22.13 cannot bind numbered ones by position.
  tail: `
    SELECT position, (SELECT name FROM address WHERE id = event.address) AS address, prev, data
    FROM event WHERE position > ?
    UNION ALL
    SELECT position, (SELECT name FROM address WHERE id = latest.address), NULL, data
    FROM latest WHERE position > ?
    ORDER BY position LIMIT ?`,
};

export type Statements = { readonly [K in keyof typeof STATEMENTS]: StatementSync };

export function prepareStatements(db: DatabaseSync): Statements {
  return Object.fromEntries(
    Object.entries(STATEMENTS).map(([name, text]) => [name, db.prepare(text)]),
  ) as Statements;
}
