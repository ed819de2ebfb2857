/** Names and definitions of the tables of a log in PostgreSQL. */
import { quote } from '../../database/postgres/names.ts';

/** Format of tables and functions. A change that older processes cannot work with needs a new number. */
export const FORMAT = 1;

/** The comment of the head table. It tells our tables from those of others. */
export const MARK = 'Linefeed log, format ';

/** A position is `sequence * TAGS + tag`. In base 36 it is the sequence, and 4 digits of the tag. */
export const TAGS: number = 36 ** 4;

/** The log remembers at least the newest batches, so that it can check a cursor. */
export const BATCHES = 10_000;

const TABLES = ['head', 'event', 'value', 'address', 'batch', 'writer', 'outbox', 'committed'] as const;
const FUNCTIONS = [
  'holds',
  'lost',
  'put',
  'plan',
  'evict',
  'duplicates',
  'append',
  'commit',
  'move',
  'age',
  'renew',
  'page',
  'tail',
  'truncated',
] as const;
type Part = (typeof TABLES)[number] | (typeof FUNCTIONS)[number];

/** Quoted names of the tables and functions of one log, each with its schema. */
export type Names = { readonly [K in Part]: string } & {
  readonly schema: string;
  readonly prefix: string;
};

export function namesOf(schema: string, prefix: string): Names {
  const parts = [...TABLES, ...FUNCTIONS].map((part) => [
    part,
    `${quote(schema)}.${quote(`${prefix}_${part}`)}`,
  ]);
  return { ...(Object.fromEntries(parts) as { [K in Part]: string }), schema, prefix };
}

export function tableNames(prefix: string): string[] {
  return TABLES.map((part) => `${prefix}_${part}`);
}

export function functionNames(prefix: string): string[] {
  return FUNCTIONS.map((part) => `${prefix}_${part}`);
}

/** The statements that create the tables. */
export function tableDefinitions(t: Names): string {
  const index = (suffix: string): string => quote(`${t.prefix}_${suffix}`);
  return `
CREATE TABLE ${t.head} (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch text NOT NULL,
  -- The epoch that this one replaced because its newest events were lost.
  parent text,
  newest bigint NOT NULL DEFAULT 0,
  -- Newest evicted position: of all events, of table event, of addresses without a row.
  evicted bigint NOT NULL DEFAULT 0,
  trimmed bigint NOT NULL DEFAULT 0,
  forgotten bigint NOT NULL DEFAULT 0,
  -- Newest position whose batch was removed. An older position cannot be checked.
  unchecked bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  value_events bigint NOT NULL DEFAULT 0,
  value_bytes bigint NOT NULL DEFAULT 0,
  -- Addresses without held events.
  idle bigint NOT NULL DEFAULT 0,
  batches bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE ${t.address} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  -- Position of its newest event ever. NULL: unknown.
  last bigint,
  evicted bigint NOT NULL,
  -- How many rows of event, and the position of its row of value or 0.
  held bigint NOT NULL DEFAULT 0,
  value bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
-- A hash: an address may be longer than the entry of a B-tree.
CREATE INDEX ${index('address_name')} ON ${t.address} USING hash (name);

CREATE TABLE ${t.event} (
  position bigint PRIMARY KEY,
  address bigint NOT NULL,
  prev bigint,
  at bigint NOT NULL,
  -- Payload, and what counts towards maxBytes, in UTF-16 code units.
  units integer NOT NULL,
  bytes integer NOT NULL,
  key text,
  data text NOT NULL
);
CREATE INDEX ${index('event_address')} ON ${t.event} (address, position);
CREATE UNIQUE INDEX ${index('event_key')} ON ${t.event} (address, key) WHERE key IS NOT NULL;

-- The values of keep: 'latest'.
CREATE TABLE ${t.value} (
  position bigint PRIMARY KEY,
  address bigint NOT NULL,
  units integer NOT NULL,
  bytes integer NOT NULL,
  key text,
  data text NOT NULL
);
CREATE UNIQUE INDEX ${index('value_address')} ON ${t.value} (address);

CREATE TABLE ${t.batch} (
  last bigint PRIMARY KEY,
  first bigint NOT NULL
);

CREATE TABLE ${t.writer} (
  writer text PRIMARY KEY,
  number bigint NOT NULL,
  outcome text NOT NULL,
  at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Events that transactions of the application have published.
CREATE TABLE ${t.outbox} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  address text NOT NULL,
  latest boolean NOT NULL,
  key text,
  units integer NOT NULL,
  bytes integer NOT NULL,
  data text NOT NULL
);
-- Their rows in the order of the commits. A trigger writes it, so that a wide row is not written twice.
CREATE TABLE ${t.committed} (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  outbox_id bigint NOT NULL
);
`;
}
