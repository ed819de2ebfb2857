/** Opens the log at start: checks the server, creates the tables, and warns of what is dangerous. */
import { systemClock } from '../../base/clock.ts';
import { randomId } from '../../base/random-id.ts';
import { warn } from '../../base/report.ts';
import { texts } from './batch-arrays.ts';
import type { Driver, Row, TailSession } from './driver.ts';
import { refused, sqlStateOf, toStoreError } from './errors.ts';
import { migrationOf } from './migration.ts';
import { FORMAT, functionNames, MARK, namesOf, tableNames, type Names, type TableOption } from './tables.ts';

const OLDEST_SERVER = 130_000;
/** A notification arrives at once, or never. */
const NOTIFY_MS = 1_000;

export interface Opened {
  readonly names: Names;
  /** Warns of dangerous settings, one line each. */
  warn(): void;
}

/** @throws LinefeedError `log_failed` */
export async function openTables(
  driver: Driver,
  { schema, prefix }: TableOption,
  signal: AbortSignal,
): Promise<Opened> {
  const name = `PostgreSQL log "${schema === undefined ? '' : `${schema}.`}${prefix}"`;
  try {
    const row = await inspect(driver, schema, prefix, signal);
    checkServer(name, row);
    const names = namesOf(row['schema'] ?? '', prefix);
    if (row['format'] !== String(FORMAT) || !(await isComplete(driver, names, signal))) {
      await migrate(driver, name, names, signal);
    }
    return { names, warn: () => warnOfSettings(name, row) };
  } catch (error) {
    throw toStoreError(name, error);
  }
}

async function inspect(
  driver: Driver,
  schema: string | undefined,
  prefix: string,
  signal: AbortSignal,
): Promise<Row> {
  const [row] = await driver.query(
    `SELECT current_setting('server_version_num') AS version, version() AS full,
      pg_is_in_recovery()::text AS standby, current_setting('transaction_read_only') AS readonly,
      current_setting('synchronous_commit') AS sync, current_setting('server_encoding') AS encoding,
      current_setting('transaction_isolation') AS isolation,
      coalesce(($1::text), n.nspname, current_schema()) AS schema,
      substr(obj_description(c.oid, 'pg_class'), ${MARK.length + 1}) AS format
    FROM (SELECT to_regclass(coalesce(quote_ident($1::text) || '.', '') || quote_ident($2::text)) AS oid) head
    LEFT JOIN pg_class c ON c.oid = head.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace`,
    [schema ?? null, `${prefix}_head`],
    signal,
  );
  return row!;
}

function checkServer(name: string, row: Row): void {
  if (Number(row['version']) < OLDEST_SERVER) {
    throw refused(`${name} needs PostgreSQL 13 or later; the server is ${row['full']}.`);
  }
  if (row['encoding'] !== 'UTF8') {
    throw refused(
      `${name} needs a database with the encoding UTF8, not ${row['encoding']}; create one with ENCODING 'UTF8'.`,
    );
  }
  if (row['standby'] === 'true') {
    throw refused(`${name} cannot be written: the server is a standby; connect the client to the primary.`);
  }
  if (row['readonly'] === 'on') {
    throw refused(
      `${name} cannot be written: transactions are read-only; set default_transaction_read_only to off for this role.`,
    );
  }
  if (row['schema'] === null) {
    throw refused(
      `${name} has no schema: no schema of the search path exists; name one, such as table: "app.board".`,
    );
  }
}

/** Whether no table, function or row of the log was removed. */
async function isComplete(
  driver: Driver,
  { head, schema, prefix }: Names,
  signal: AbortSignal,
): Promise<boolean> {
  const missing = `SELECT FROM unnest(($1::text)::text[]) AS t(name)
    WHERE to_regclass(quote_ident($3::text) || '.' || quote_ident(t.name)) IS NULL
    UNION ALL SELECT FROM unnest(($2::text)::text[]) AS f(name) WHERE NOT EXISTS (
      SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = $3::text AND p.proname = f.name)`;
  const rows = await driver.query(
    `SELECT EXISTS (SELECT FROM ${head})::text AS head, (NOT EXISTS (${missing}))::text AS complete`,
    [texts(tableNames(prefix)), texts(functionNames(prefix)), schema],
    signal,
  );
  return rows[0]!['head'] === 'true' && rows[0]!['complete'] === 'true';
}

async function migrate(
  driver: Driver,
  name: string,
  { schema, prefix }: Names,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  try {
    // Several statements are one transaction. It must see what another process created while it waited for the lock.
    await driver.script(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n${migrationOf(schema, prefix)}`);
  } catch (error) {
    const { message } = error as Error;
    switch (sqlStateOf(error)) {
      case 'LF002':
        throw refused(`${name} cannot create its tables: ${message}; choose another table prefix.`, error);
      case 'LF003':
        throw refused(
          `${name} is newer than this version of @linefeed/server: ${message}; update the package.`,
          error,
        );
      case 'LF004':
        throw refused(
          `${name} is incomplete: ${message}; drop its other tables too, and the next start creates the log anew.`,
          error,
        );
      case '42501':
        throw refused(
          `${name} may not create its tables: ${message}; grant CREATE on schema ${schema} to the role of the client, or let its owner run the migration.`,
          error,
        );
      default:
        throw error;
    }
  }
}

function warnOfSettings(name: string, row: Row): void {
  if (row['sync'] === 'off') {
    warn(
      `${name}: synchronous_commit is off, so a crash of the server loses events that were published; readers get a gap. Set it to on for the role of the client.`,
    );
  }
  if (row['isolation'] !== 'read committed') {
    warn(
      `${name}: transactions are ${row['isolation']}, so appends of several processes fail and are repeated. Set default_transaction_isolation to 'read committed' for the role of the client.`,
    );
  }
}

export interface PoolerCheck {
  readonly driver: Driver;
  readonly session: TailSession;
  readonly name: string;
  readonly listen: boolean;
}

/** Recognises a pooler in transaction mode before the tail, and names it. */
export async function warnOfPooler({ driver, session, name, listen }: PoolerCheck): Promise<void> {
  const ids = await session.processIds();
  if (ids === undefined || ids[0] === ids[1] || !listen || (await hears(driver, session))) return;
  warn(
    `${name}: the connection of the tail goes through a pooler in transaction mode (such as pgbouncer), where LISTEN does not work; events of other processes wait for the next poll. Set tailClient to a function that creates a client which connects to the server directly.`,
  );
  if (!driver.prepares) return;
  warn(
    `${name}: a pooler in transaction mode does not know the statements that postgres prepares, and transactions of your application fail; create the client with prepare: false.`,
  );
}

/** Whether a notification from another connection arrives. */
async function hears(driver: Driver, session: TailSession): Promise<boolean> {
  const channel = `lf_${randomId()}`;
  let isListening = false;
  let arrived: (heard: boolean) => void;
  const hearing = new Promise<boolean>((resolve) => {
    arrived = resolve;
  });
  await session.listen(channel, () => {
    if (isListening) arrived(true);
  });
  isListening = true;
  await driver.query(`SELECT pg_notify($1::text, '')::text`, [channel]);
  systemClock.after(NOTIFY_MS, () => arrived(false), { keepsAlive: true });
  return await hearing;
}
