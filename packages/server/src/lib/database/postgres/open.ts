/** Opens tables at start: checks the server, creates them, and warns of settings that lose data. */
import { warn } from '../../base/report.ts';
import { texts } from './arrays.ts';
import type { Driver, Row } from './driver.ts';
import { refused, sqlStateOf, toPostgresError, type Caller } from './errors.ts';
import { toMigration, type Definitions } from './migration.ts';
import type { TableOption } from './names.ts';

const OLDEST_SERVER = 130_000;

export interface Opening extends Caller {
  readonly driver: Driver;
  readonly table: TableOption;
  /** Suffix of the table that has the mark. */
  readonly marked: string;
  readonly mark: string;
  readonly definitionsOf: (schema: string, prefix: string) => Definitions;
  readonly signal: AbortSignal;
}

export interface Opened {
  readonly schema: string;
  /** Warns of dangerous settings, one line each. */
  warn(): void;
}

/** @throws LinefeedError with the code of the user */
export async function openTables(opening: Opening): Promise<Opened> {
  try {
    const row = await inspect(opening);
    checkServer(opening, row);
    const schema = row['schema'] ?? '';
    const definitions = opening.definitionsOf(schema, opening.table.prefix);
    const isNew = row['format'] !== String(definitions.format);
    if (isNew || !(await isComplete(opening, definitions))) await migrate(opening, definitions);
    return { schema, warn: () => warnOfSettings(opening, row) };
  } catch (error) {
    throw toPostgresError(error, opening);
  }
}

async function inspect({ driver, table, marked, mark, signal }: Opening): Promise<Row> {
  const [row] = await driver.query(
    `SELECT current_setting('server_version_num') AS version, version() AS full,
      pg_is_in_recovery()::text AS standby, current_setting('transaction_read_only') AS readonly,
      current_setting('synchronous_commit') AS sync, current_setting('server_encoding') AS encoding,
      current_setting('transaction_isolation') AS isolation,
      coalesce(($1::text), n.nspname, current_schema()) AS schema,
      substr(obj_description(c.oid, 'pg_class'), ${mark.length + 1}) AS format
    FROM (SELECT to_regclass(coalesce(quote_ident($1::text) || '.', '') || quote_ident($2::text)) AS oid) head
    LEFT JOIN pg_class c ON c.oid = head.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace`,
    [table.schema ?? null, `${table.prefix}_${marked}`],
    signal,
  );
  return row!;
}

function checkServer({ name, use }: Caller, row: Row): void {
  if (Number(row['version']) < OLDEST_SERVER) {
    throw refused(use, `${name} needs PostgreSQL 13 or later; the server is ${row['full']}.`);
  }
  if (row['encoding'] !== 'UTF8') {
    throw refused(
      use,
      `${name} needs a database with the encoding UTF8, not ${row['encoding']}; create one with ENCODING 'UTF8'.`,
    );
  }
  if (row['standby'] === 'true') {
    throw refused(
      use,
      `${name} cannot be written: the server is a standby; connect the client to the primary.`,
    );
  }
  if (row['readonly'] === 'on') {
    throw refused(
      use,
      `${name} cannot be written: transactions are read-only; set default_transaction_read_only to off for this role.`,
    );
  }
  if (row['schema'] === null) {
    throw refused(
      use,
      `${name} has no schema: no schema of the search path exists; name one, such as table: "app.board".`,
    );
  }
}

/** Whether no table, function or necessary row was removed. */
async function isComplete(
  { driver, signal }: Opening,
  { schema, tables, functions, isComplete: condition = 'true' }: Definitions,
): Promise<boolean> {
  const missing = `SELECT FROM unnest(($1::text)::text[]) AS t(name)
    WHERE to_regclass(quote_ident($3::text) || '.' || quote_ident(t.name)) IS NULL
    UNION ALL SELECT FROM unnest(($2::text)::text[]) AS f(name) WHERE NOT EXISTS (
      SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = $3::text AND p.proname = f.name)`;
  const rows = await driver.query(
    `SELECT (${condition} AND NOT EXISTS (${missing}))::text AS complete`,
    [texts(tables), texts(functions), schema],
    signal,
  );
  return rows[0]!['complete'] === 'true';
}

async function migrate({ driver, name, use, signal }: Opening, definitions: Definitions): Promise<void> {
  signal.throwIfAborted();
  try {
    // Several statements are one transaction. It must see what another process created while it waited for the lock.
    await driver.script(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n${toMigration(definitions)}`);
  } catch (error) {
    const { message } = error as Error;
    switch (sqlStateOf(error)) {
      case 'LF002':
        throw refused(
          use,
          `${name} cannot create its tables: ${message}; choose another table prefix.`,
          error,
        );
      case 'LF003':
        throw refused(
          use,
          `${name} is newer than this version of @linefeed/server: ${message}; update the package.`,
          error,
        );
      case 'LF004':
        throw refused(
          use,
          `${name} is incomplete: ${message}; drop its other tables too, and the next start creates the ${use.noun} anew.`,
          error,
        );
      case '42501':
        throw refused(
          use,
          `${name} may not create its tables: ${message}; grant CREATE on schema ${definitions.schema} to the role of the client, or let its owner run the migration.`,
          error,
        );
      default:
        throw error;
    }
  }
}

function warnOfSettings({ name, use }: Caller, row: Row): void {
  if (row['sync'] === 'off') {
    warn(
      `${name}: synchronous_commit is off, so a crash of the server loses the newest ${use.content}. Set it to on for the role of the client.`,
    );
  }
  if (row['isolation'] !== 'read committed') {
    warn(
      `${name}: transactions are ${row['isolation']}, so writes of several processes fail and are repeated. Set default_transaction_isolation to 'read committed' for the role of the client.`,
    );
  }
}
