/** The log over a `sql` of the library `postgres`. */
import { ignore, untilAborted } from '../../base/promise.ts';
import type { Driver, Row, TailSession, Values } from './driver.ts';

/** The part of a `sql` of `postgres` that the log uses, also of the `sql` of a transaction. */
export interface PostgresSql {
  // oxlint-disable-next-line typescript/no-explicit-any -- the library's own type depends on the types of the client.
  unsafe(query: string, parameters?: any[]): PromiseLike<unknown>;
}

/** The part of the result of `postgres()` that the log uses. */
export interface PostgresClient extends PostgresSql {
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen?: () => void,
  ): PromiseLike<{ unlisten(): PromiseLike<unknown> }>;
  end(options?: { timeout?: number }): Promise<void>;
  readonly options: object;
}

interface Result extends ReadonlyArray<Row> {
  readonly state?: { readonly pid?: number };
}

export function postgresDriver(sql: PostgresClient, tailClient: (() => PostgresClient) | undefined): Driver {
  const { prepare } = sql.options as { prepare?: boolean };
  return {
    library: 'postgres',
    prepares: prepare !== false,
    query: (text, values, signal) => run(sql, text, values, signal),
    async script(text) {
      // Without parameters the library uses the protocol that takes several statements.
      await sql.unsafe(text);
    },
    openTail: async () => tailOf(tailClient?.() ?? sql, tailClient !== undefined),
    close: ignore,
  };
}

/** Not prepared under a name: a pooler in transaction mode does not know it. */
async function run(
  sql: PostgresSql,
  text: string,
  values: Values,
  signal: AbortSignal = new AbortController().signal,
): Promise<Result> {
  return (await untilAborted(signal, sql.unsafe(text, [...values]))) as Result;
}

/** The library can end all connections of a client, but not one. So the tail of a shared client is not destroyed. */
function tailOf(sql: PostgresClient, isOwn: boolean): TailSession {
  let unlisten: (() => PromiseLike<unknown>) | undefined;
  let isDestroyed = false;
  return {
    query: (text, values, signal) => run(sql, text, values, signal),
    async listen(channel, onHint) {
      // `onListen` also runs after the library has connected again: notifications may be lost in between.
      const listening = await sql.listen(channel, onHint, onHint);
      unlisten = () => listening.unlisten();
      if (isDestroyed) unlisten().then(ignore, ignore);
    },
    async processIds() {
      const result = await run(sql, 'SELECT pg_backend_pid()::text AS pid', []);
      const announced = result.state?.pid;
      return announced === undefined ? undefined : [String(announced), result[0]!['pid']!];
    },
    destroy() {
      isDestroyed = true;
      if (isOwn) sql.end({ timeout: 0 }).catch(ignore);
      else unlisten?.().then(ignore, ignore);
    },
  };
}
