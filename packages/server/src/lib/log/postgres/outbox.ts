/** Publishes inside a transaction of the application: a row in the outbox, which the mover appends after the commit. */
import { invalidOption, LinefeedError } from '@linefeed/shared/wire';
import { isThenable } from '../../base/promise.ts';
import { numbers, texts } from '../../database/postgres/arrays.ts';
import { isPool } from '../../database/postgres/client.ts';
import type { Values } from '../../database/postgres/driver.ts';
import { toPostgresError } from '../../database/postgres/errors.ts';
import type { PostgresSql } from '../../database/postgres/postgres-driver.ts';
import { logUse } from '../../database/use.ts';
import { checkKeyed } from '../idempotency.ts';
import { sizeOf } from '../bounds.ts';
import type { AppendOptions, LogEntry } from '../log.ts';
import { nullCharacter } from './store.ts';

/**
 * A transaction of the application: a client of `pg` after its `BEGIN`, the `sql` of `sql.begin` of `postgres`, or a
 * function that runs one statement in a transaction of any other library.
 */
export type PostgresTransaction =
  | { query(text: string, values?: unknown[]): PromiseLike<unknown> }
  | PostgresSql
  | ((text: string, values: string[]) => PromiseLike<unknown>);

/** @throws LinefeedError `invalid_option`; `log_failed` */
export async function appendToOutbox(
  name: string,
  statement: string,
  transaction: unknown,
  entries: readonly LogEntry[],
  options: AppendOptions,
): Promise<void> {
  checkKeyed(entries, options);
  const run = runnerOf(transaction);
  const { idempotencyKey } = options;
  const values = [
    texts(entries.map(({ address }) => address)),
    `{${entries.map(({ keep }) => keep === 'latest').join(',')}}`,
    texts(entries.map(() => idempotencyKey)),
    numbers(entries.map(({ data }) => data.length)),
    numbers(entries.map((entry) => sizeOf(entry, idempotencyKey))),
    texts(entries.map(({ data }) => data)),
  ];
  if (values.some((value) => value.includes('\0'))) throw nullCharacter();
  try {
    await run(statement, values);
  } catch (error) {
    throw transactionFailed(name, error);
  }
}

function runnerOf(transaction: unknown): (text: string, values: Values) => PromiseLike<unknown> {
  const { query, unsafe, begin, getTransactionStatus } = (transaction ?? {}) as {
    query?: unknown;
    unsafe?: unknown;
    begin?: unknown;
    getTransactionStatus?: unknown;
  };
  if (isPool(transaction)) {
    throw wrong(
      'a Pool, whose statements are in no transaction; pass the client of pool.connect() after its BEGIN',
    );
  }
  if (typeof unsafe === 'function') {
    if (typeof begin === 'function') {
      throw wrong('the sql of postgres(), whose statements are in no transaction; pass the one of sql.begin');
    }
    return (text, values) =>
      (transaction as { unsafe: Function }).unsafe(text, values) as PromiseLike<unknown>;
  }
  if (typeof query === 'function') {
    // Newer versions of pg know it. Without a transaction, a later rollback would not take the event back.
    if (typeof getTransactionStatus === 'function' && getTransactionStatus.call(transaction) === 'I') {
      throw wrong(
        'a client of pg that is in no transaction; await its BEGIN before, and publish before its COMMIT',
      );
    }
    return (text, values) => (transaction as { query: Function }).query(text, values) as PromiseLike<unknown>;
  }
  if (typeof transaction === 'function') {
    return (text, values) => {
      const result: unknown = transaction(text, values);
      if (isThenable(result)) return result;
      throw wrong('a function that returns no promise');
    };
  }
  throw wrong(`a value of type ${typeof transaction}`);
}

function wrong(what: string): Error {
  return invalidOption(
    `transaction must be a client of pg in a transaction, the sql of sql.begin of postgres, or a function (text, values) => Promise, not ${what}.`,
  );
}

/** The error of a publish with a transaction: the server then refuses the rest of that transaction too. */
function transactionFailed(name: string, error: unknown): LinefeedError {
  const known = toPostgresError(error, { name, use: logUse('postgresLog') });
  if (LinefeedError.is(known)) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new LinefeedError(
    'log_failed',
    `${name} could not record an event in a transaction: ${reason}; roll back, and repeat the whole transaction.`,
    { cause: error, retryable: true },
  );
}
