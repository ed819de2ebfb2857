/** The tables and functions of a log, and the migration that creates them. */
import { toMigration, type Definitions } from '../../database/postgres/migration.ts';
import { commitOrder } from './commit-order.ts';
import { writeFunctions } from './functions.ts';
import { readFunctions } from './read-functions.ts';
import { FORMAT, functionNames, MARK, namesOf, tableDefinitions, tableNames } from './tables.ts';

export function definitionsOf(schema: string, prefix: string): Definitions {
  const t = namesOf(schema, prefix);
  const insertHead = `INSERT INTO ${t.head} (epoch) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 19));`;
  return {
    schema,
    prefix,
    mark: MARK,
    format: FORMAT,
    marked: t.head,
    tables: tableNames(prefix),
    functions: functionNames(prefix),
    createTables: `${tableDefinitions(t)}\n${insertHead}`,
    repair: `
  IF NOT EXISTS (SELECT FROM ${t.head}) THEN
    -- The row of the head was deleted, and with it the numbering of all other rows.
    DELETE FROM ${t.event}; DELETE FROM ${t.value}; DELETE FROM ${t.address}; DELETE FROM ${t.batch};
    DELETE FROM ${t.writer};
    ${insertHead}
  END IF;`,
    createFunctions: readFunctions(t) + writeFunctions(t) + commitOrder(t),
    isComplete: `EXISTS (SELECT FROM ${t.head})`,
  };
}

/** The migration as one text of SQL, without parameters. It is one transaction. */
export function migrationOf(schema: string, prefix: string): string {
  return toMigration(definitionsOf(schema, prefix));
}
