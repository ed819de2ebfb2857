/** The tables and functions of a store of runs in PostgreSQL, as the migration creates them. */
import type { Definitions } from '../../database/postgres/migration.ts';
import { runFunctions } from './run-functions.ts';
import { FUNCTIONS, runNamesOf, runTables, TABLES } from './run-tables.ts';

/** Format of tables and functions. A change that older processes cannot work with needs a new number. */
const FORMAT = 1;

/** The start of the comment of the table of records. It tells our tables from those of others. */
export const RUNS_MARK = 'Linefeed runs, format ';

/** Suffix of the table that has the mark. */
export const MARKED = 'run_record';

export function runDefinitionsOf(schema: string, prefix: string): Definitions {
  const t = runNamesOf(schema, prefix);
  return {
    schema,
    prefix,
    mark: RUNS_MARK,
    format: FORMAT,
    marked: t.record,
    tables: TABLES.map((part) => `${prefix}_run_${part}`),
    functions: FUNCTIONS.map((part) => `${prefix}_run_${part}`),
    createTables: runTables(t, prefix),
    createFunctions: runFunctions(t),
  };
}
