/** Names and definitions of the tables of a store of runs in PostgreSQL. */
import { quote } from '../../database/postgres/names.ts';

/** The tables of a log have other suffixes, so that a log and a store may have one prefix. */
export const TABLES = ['record', 'series', 'event'] as const;
export const FUNCTIONS = ['commit', 'discard', 'read', 'sweep'] as const;
type Part = (typeof TABLES)[number] | (typeof FUNCTIONS)[number];

/** Quoted names of the tables and functions of one store, each with its schema. */
export type RunNames = { readonly [K in Part]: string };

export function runNamesOf(schema: string, prefix: string): RunNames {
  const parts = [...TABLES, ...FUNCTIONS].map((part) => [
    part,
    `${quote(schema)}.${quote(`${prefix}_run_${part}`)}`,
  ]);
  return Object.fromEntries(parts) as { [K in Part]: string };
}

/** Times are in milliseconds since 1970, by the clock of the server. */
export function runTables(t: RunNames, prefix: string): string {
  const name = (suffix: string): string => quote(`${prefix}_run_${suffix}`);
  return `
CREATE TABLE ${t.record} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL,
  version bigint NOT NULL,
  state text NOT NULL,
  count bigint NOT NULL,
  lease_end bigint NOT NULL,
  expires bigint NOT NULL,
  -- The first minute past expires. A commit that leaves it as it is changes no index.
  due integer NOT NULL,
  -- A hash: a key may be longer than the entry of a B-tree.
  CONSTRAINT ${name('key')} EXCLUDE USING hash (key WITH =)
) WITH (fillfactor = 50);
CREATE INDEX ${name('start')} ON ${t.record} (left(key, 64) COLLATE "C");
CREATE INDEX ${name('due')} ON ${t.record} (due);

-- The events of one run are a series. Without a record, they wait for their deletion.
CREATE TABLE ${t.series} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  record bigint,
  run text NOT NULL
);
CREATE INDEX ${name('of_record')} ON ${t.series} (record);
CREATE INDEX ${name('garbage')} ON ${t.series} (id) WHERE record IS NULL;

CREATE TABLE ${t.event} (
  series bigint NOT NULL,
  number bigint NOT NULL,
  data text NOT NULL,
  PRIMARY KEY (series, number)
);
`;
}
