/** Logs in PostgreSQL for tests: handles over both client libraries, and losses of data as SQL. */
import { Pool } from 'pg';
import postgres from 'postgres';
import { migrationOf } from '../src/lib/log/postgres/migration.ts';
import type { PostgresLogOptions } from '../src/lib/log/postgres/options.ts';
import { toInteger } from '../src/lib/log/postgres/positions.ts';
import { postgresLog } from '../src/lib/log/postgres/postgres-log.ts';
import { namesOf, tableNames, TAGS } from '../src/lib/log/postgres/tables.ts';
import type { Log } from '../src/lib/log/log.ts';
import type { PostgresServer } from './brokers/postgres.ts';

export const LIBRARIES = ['pg', 'postgres'] as const;
export type Library = (typeof LIBRARIES)[number];

export interface TestClient {
  readonly client: PostgresLogOptions['client'];
  end(): Promise<void>;
}

/** A client of a process. */
export function connectWith(library: Library, port: number, max = 6): TestClient {
  if (library === 'pg') {
    const client = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max });
    return { client, end: () => client.end() };
  }
  const client = postgres({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    max,
    // The library does not handle the rejection of that query if the connection ends meanwhile.
    fetch_types: false,
    // A notice of the server would be printed.
    onnotice: () => undefined,
  });
  return { client, end: () => client.end({ timeout: 0 }) };
}

/** A log of a process, with a client of its own that ends with it. */
export async function openLog(
  library: Library,
  port: number,
  options: Omit<PostgresLogOptions, 'client'>,
): Promise<Log> {
  const { client, end } = connectWith(library, port);
  try {
    const log = await postgresLog({
      client,
      // Lets the log end a connection that hangs.
      tailClient: library === 'postgres' ? () => connectWith(library, port, 1).client : undefined,
      ...options,
    });
    const close = log.close!.bind(log);
    return Object.assign(log, {
      async close() {
        await close();
        // A hung connection does not end in order.
        void end().catch(() => undefined);
      },
    });
  } catch (error) {
    await end();
    throw error;
  }
}

/** Removes the events after a position, as a promoted standby that has not received them. */
export async function rollBack(server: PostgresServer, table: string, to: string): Promise<void> {
  const t = namesOf('public', table);
  const position = toInteger(to);
  await server.query(`
    BEGIN; SELECT * FROM ${t.head} FOR UPDATE;
    DELETE FROM ${t.event} WHERE position > ${position};
    DELETE FROM ${t.value} WHERE position > ${position};
    DELETE FROM ${t.batch} WHERE first / ${TAGS} > ${position} / ${TAGS};
    UPDATE ${t.batch} SET last = ${position} WHERE last > ${position};
    DELETE FROM ${t.writer};
    UPDATE ${t.address} a SET
      held = (SELECT count(*) FROM ${t.event} e WHERE e.address = a.id),
      value = coalesce((SELECT position FROM ${t.value} v WHERE v.address = a.id), 0),
      last = greatest((SELECT max(position) FROM ${t.event} e WHERE e.address = a.id),
        (SELECT position FROM ${t.value} v WHERE v.address = a.id), a.evicted);
    UPDATE ${t.head} SET newest = ${position},
      events = (SELECT count(*) FROM ${t.event}), bytes = (SELECT coalesce(sum(bytes), 0) FROM ${t.event}),
      value_events = (SELECT count(*) FROM ${t.value}),
      value_bytes = (SELECT coalesce(sum(bytes), 0) FROM ${t.value}),
      idle = (SELECT count(*) FROM ${t.address} WHERE held = 0 AND value = 0);
    COMMIT;`);
}

/** Empties the log. Cheaper than new tables for each case, and than TRUNCATE, after which every plan is made again. */
export async function empty(server: PostgresServer, table: string): Promise<void> {
  const t = namesOf('public', table);
  await server.query(`${tableNames(table)
    .map((name) => `DELETE FROM ${name};`)
    .join(' ')}
    INSERT INTO ${t.head} (epoch) VALUES (substr(replace(gen_random_uuid()::text, '-', ''), 1, 19))`);
}

/** Drops the log, and creates it again. */
export async function recreate(server: PostgresServer, table: string): Promise<void> {
  await drop(server, table);
  await server.query(migrationOf('public', table));
}

export async function drop(server: PostgresServer, table: string): Promise<void> {
  await server.query(`DROP TABLE IF EXISTS ${tableNames(table).join(', ')} CASCADE`);
}
