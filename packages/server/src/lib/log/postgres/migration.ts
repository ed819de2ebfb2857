/** The migration that creates the tables and functions of a log. It changes nothing if they exist already. */
import { commitOrder } from './commit-order.ts';
import { writeFunctions } from './functions.ts';
import { readFunctions } from './read-functions.ts';
import {
  FORMAT,
  functionNames,
  literal,
  MARK,
  namesOf,
  tableDefinitions,
  tableNames,
  type Names,
} from './tables.ts';

/** Two processes that start at once migrate one after the other. */
const LOCK = 5_497_558_139;

/** The migration as one text of SQL, without parameters. It is one transaction. */
export function migrationOf(schema: string, prefix: string): string {
  const t = namesOf(schema, prefix);
  return `-- Linefeed: the log ${schema}.${prefix}, format ${FORMAT}. It may run again; it changes no other table.
DO $migration$
DECLARE found text; missing text; format integer;
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK});
  ${checkFound(t)}
  IF format IS NULL THEN
    ${indent(tableDefinitions(t))}
    INSERT INTO ${t.head} (epoch) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 19));
  END IF;
  IF NOT EXISTS (SELECT FROM ${t.head}) THEN
    -- The row of the head was deleted, and with it the numbering of all other rows.
    DELETE FROM ${t.event}; DELETE FROM ${t.value}; DELETE FROM ${t.address}; DELETE FROM ${t.batch};
    DELETE FROM ${t.writer};
    INSERT INTO ${t.head} (epoch) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 19));
  END IF;
  IF format IS DISTINCT FROM ${FORMAT} OR (
    SELECT count(DISTINCT p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ${literal(schema)} AND p.proname IN (${functionNames(prefix).map(literal).join(', ')})
  ) < ${functionNames(prefix).length} THEN
    ${indent(readFunctions(t))}
    ${indent(writeFunctions(t))}
    ${indent(commitOrder(t))}
    COMMENT ON TABLE ${t.head} IS ${literal(MARK + FORMAT)};
  END IF;
END $migration$;
`;
}

/** Sets \`format\`: NULL if there is no table yet. Raises LF002 for tables of others, LF003 for a newer format, LF004 for a dropped table. */
function checkFound({ schema, prefix }: Names): string {
  const tables = tableNames(prefix).map(literal).join(', ');
  return `
  SELECT min(c.relname), max(substr(obj_description(c.oid, 'pg_class'), ${MARK.length + 1})::integer)
    FILTER (WHERE obj_description(c.oid, 'pg_class') LIKE ${literal(`${MARK}%`)})
  INTO found, format FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relname IN (${tables});
  IF found IS NOT NULL AND format IS NULL THEN
    RAISE EXCEPTION '% exists and is not a table of Linefeed', found USING ERRCODE = 'LF002';
  END IF;
  SELECT min(x.name) INTO missing FROM unnest(ARRAY[${tables}]) AS x(name) WHERE NOT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ${literal(schema)} AND c.relname = x.name);
  IF format IS NOT NULL AND missing IS NOT NULL THEN
    RAISE EXCEPTION '% was dropped', missing USING ERRCODE = 'LF004';
  END IF;
  IF format > ${FORMAT} THEN
    RAISE EXCEPTION 'the tables have format %', format USING ERRCODE = 'LF003';
  END IF;`.trim();
}

function indent(sql: string): string {
  return sql.trim().replaceAll('\n', '\n    ');
}
