/** Takes a client of the application, and refuses one that cannot be used. */
import { invalidOption } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';
import type { Driver } from './driver.ts';
import { pgDriver, type PgPool } from './pg-driver.ts';
import { postgresDriver, type PostgresClient } from './postgres-driver.ts';

export interface ClientOptions {
  readonly client: unknown;
  /** Creates the client of a connection that listens. */
  readonly tailClient?: (() => unknown) | undefined;
}

/** @throws LinefeedError `invalid_option` */
export function driverOf({ client, tailClient }: ClientOptions, { factory }: DatabaseUse): Driver {
  if (isSql(client)) {
    return postgresDriver(client, checked(tailClient, isSql, 'the result of postgres()', factory));
  }
  if (isPool(client)) return pgDriver(client, checked(tailClient, isPool, 'a Pool of pg', factory));
  throw invalidOption(
    `client of a ${factory} must be a Pool of pg or the result of postgres(), not ${describe(client)}.`,
  );
}

/** A client of the wrong kind is refused when it is created, with a message of its own. */
function checked<T>(
  tailClient: (() => unknown) | undefined,
  isRight: (client: unknown) => client is T,
  wanted: string,
  factory: string,
): (() => T) | undefined {
  if (tailClient === undefined) return undefined;
  return () => {
    const client = tailClient();
    if (isRight(client)) return client;
    throw invalidOption(
      `tailClient of a ${factory} must return ${wanted}, the library of its client, not ${describe(client)}.`,
    );
  };
}

function isSql(client: unknown): client is PostgresClient {
  const { unsafe, listen } = (client ?? {}) as Partial<PostgresClient>;
  return typeof client === 'function' && typeof unsafe === 'function' && typeof listen === 'function';
}

export function isPool(client: unknown): client is PgPool {
  const { connect, query, totalCount } = (client ?? {}) as Partial<PgPool>;
  return typeof connect === 'function' && typeof query === 'function' && typeof totalCount === 'number';
}

function describe(client: unknown): string {
  if (typeof client === 'string') return 'a URL; pass it to new pg.Pool or to postgres() first';
  if (isPool(client)) return 'a Pool of pg';
  if (isSql(client)) return 'the result of postgres()';
  const { query, unsafe } = (client ?? {}) as { query?: unknown; unsafe?: unknown };
  if (typeof query === 'function')
    return 'a single Client of pg: it does not connect again, and each of its calls waits for the one before';
  if (typeof unsafe === 'function') return 'the sql of a transaction or of one reserved connection';
  return client === null || client === undefined ? String(client) : `a value of type ${typeof client}`;
}
