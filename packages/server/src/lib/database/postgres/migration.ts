/** The migration that creates tables and functions. It changes nothing if they exist already. */
import { literal } from './names.ts';

/** The tables and functions of one log or store. */
export interface Definitions {
  readonly schema: string;
  readonly prefix: string;
  /** The start of the comment of the marked table. It tells our tables from those of others. */
  readonly mark: string;
  /** Format of tables and functions. A change that older processes cannot work with needs a new number. */
  readonly format: number;
  /** Quoted name, with the schema, of the table that has the mark. */
  readonly marked: string;
  /** Names without a schema. */
  readonly tables: readonly string[];
  readonly functions: readonly string[];
  /** Statements that create the tables. */
  readonly createTables: string;
  /** Statements that repair what an operator may have deleted. */
  readonly repair?: string | undefined;
  /** Statements that create or replace the functions. */
  readonly createFunctions: string;
  /** A condition in SQL, in addition to all tables and functions: without it, the migration runs. */
  readonly isComplete?: string | undefined;
}

/** Two processes that start at once migrate one after the other. */
const LOCK = 5_497_558_139;

/** The migration as one text of SQL, without parameters. It is one transaction. */
export function toMigration(definitions: Definitions): string {
  const { schema, prefix, mark, format, marked, functions } = definitions;
  return `-- ${mark}${format}, for ${schema}.${prefix}. It may run again; it changes no other table.
DO $migration$
DECLARE found text; missing text; format integer;
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK});
  ${checkFound(definitions)}
  IF format IS NULL THEN
    ${indent(definitions.createTables)}
  END IF;
  ${indent(definitions.repair ?? '')}
  IF format IS DISTINCT FROM ${format} OR (
    SELECT count(DISTINCT p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ${literal(schema)} AND p.proname IN (${functions.map(literal).join(', ')})
  ) < ${functions.length} THEN
    ${indent(definitions.createFunctions)}
    COMMENT ON TABLE ${marked} IS ${literal(mark + format)};
  END IF;
END $migration$;
`;
}

/** Sets \`format\`: NULL if there is no table yet. Raises LF002 for tables of others, LF003 for a newer format, LF004 for a dropped table. */
function checkFound({ schema, mark, format, ...definitions }: Definitions): string {
  const tables = definitions.tables.map(literal).join(', ');
  return `
  SELECT min(c.relname), max(substr(obj_description(c.oid, 'pg_class'), ${mark.length + 1})::integer)
    FILTER (WHERE obj_description(c.oid, 'pg_class') LIKE ${literal(`${mark}%`)})
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
  IF format > ${format} THEN
    RAISE EXCEPTION 'the tables have format %', format USING ERRCODE = 'LF003';
  END IF;`.trim();
}

function indent(sql: string): string {
  return sql.trim().replaceAll('\n', '\n    ');
}
