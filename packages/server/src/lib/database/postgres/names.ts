/** Names of tables: the option `table`, and names and constants in SQL. */
import { invalidOption } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';

/**
 * PostgreSQL cuts longer names without an error. The longest suffix of a table, an index or a function has 15
 * characters.
 */
const MAX_PREFIX = 48;
const PART = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface TableOption {
  /** Absent: the schema that is first in the search path. */
  readonly schema: string | undefined;
  readonly prefix: string;
}

/** @throws LinefeedError `invalid_option` */
export function parseTable(table: unknown, { factory }: DatabaseUse): TableOption {
  const parts = typeof table === 'string' ? table.split('.') : [];
  const prefix = parts.pop() ?? '';
  const [schema] = parts;
  if (parts.length > 1 || ![prefix, ...parts].every((part) => PART.test(part) && part.length <= 63)) {
    throw invalidOption(
      `table of a ${factory} must be a name such as "board" or "app.board", of letters, digits and underscores, not ${JSON.stringify(table)}.`,
    );
  }
  if (prefix.length > MAX_PREFIX) {
    throw invalidOption(
      `table of a ${factory} has ${prefix.length} characters, more than ${MAX_PREFIX}: ${JSON.stringify(prefix)}; the names of its tables would be cut.`,
    );
  }
  return { schema, prefix };
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string constant in SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The identity of a table within its database, in SQL. */
export function regclass(table: string): string {
  return `'${table.replaceAll("'", "''")}'::regclass`;
}

/**
 * Settings of an entry point. The tables have no statistics when they are new, and their size changes quickly: without
 * these settings a plan may read a whole table.
 */
export const SETTINGS = `
  SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET plan_cache_mode = force_generic_plan SET jit = off`;
