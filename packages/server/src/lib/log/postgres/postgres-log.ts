/** A log in PostgreSQL. Processes on several machines share it, and transactions of the application publish to it. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import { warn } from '../../base/report.ts';
import { openTables } from '../../database/postgres/open.ts';
import { NoAnswer, withDeadline, type Deadline } from '../../database/deadline.ts';
import type { AppendOptions, Log, LogEntry } from '../log.ts';
import { toLogError } from '../remote/errors.ts';
import { openRemoteLog } from '../remote/remote-log.ts';
import { definitionsOf } from './migration.ts';
import { warnOfPooler } from './open.ts';
import { resolveOptions, type PostgresLogOptions } from './options.ts';
import { appendToOutbox } from './outbox.ts';
import { statementsOf } from './statements.ts';
import { PostgresStore } from './store.ts';
import { MARK, namesOf } from './tables.ts';

/** Longest call of the tail, in milliseconds: it polls meanwhile. A connection that hangs is noticed 2 s later. */
const TAIL_WAIT_MS = 500;

/**
 * A bounded log in PostgreSQL 13 or later, by `pg` or `postgres`. It creates its tables. The result of a publish with
 * `transaction` reaches subscribers when that transaction commits.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { postgresLog } from '@linefeed/server/postgres';
 *   import { Pool } from 'pg';
 *   import { board } from './channel.ts';
 *
 *   const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
 *   const log = await postgresLog({ client: pool, table: 'board' });
 *   const feed = createFeed(board, { log, streams: { *report() {} } });
 *   await feed.close();
 *   await log.close?.();
 *   await pool.end();
 *
 * @param options `client` and `table` are required
 * @throws LinefeedError `invalid_option`; `log_failed` if the server is too old, cannot be reached or written, or has
 * other tables of these names.
 */
export async function postgresLog(options: PostgresLogOptions): Promise<Log> {
  const { use, driver, table, clock, timeoutMs, bounds, pollMs, listen, usesServerClock } =
    resolveOptions(options);
  const name = `PostgreSQL log "${options.table}"`;
  const report = (count: number): void =>
    warn(
      `${name}: ${count} events of transactions were dropped: their idempotency key was used for another payload.`,
    );
  let store: PostgresStore | undefined;
  try {
    const { names, warn: warnOfSettings } = await withDeadline(
      { clock, name, ms: timeoutMs, code: 'log_failed' },
      async (signal) => {
        const opened = await openTables({
          ...{ name, use, driver, table, definitionsOf, signal },
          marked: 'head',
          mark: MARK,
        });
        const names = namesOf(opened.schema, table.prefix);
        store = new PostgresStore({
          ...{ name, use, driver, names, bounds, clock, usesServerClock, pollMs, listen },
          onConflicts: report,
        });
        const session = await store.tail.open(signal);
        await warnOfPooler({ driver, session, name, listen });
        return { names, warn: opened.warn };
      },
    );
    warnOfSettings();
    const log = await openRemoteLog(store!, { clock, timeoutMs, waitMs: TAIL_WAIT_MS });
    return withTransactions(
      log,
      { clock, name, ms: timeoutMs, code: 'log_failed' },
      statementsOf(names).publish,
      () => store!.tail.expectCommit(),
    );
  } catch (error) {
    if (store === undefined) driver.close();
    else store.close();
    throw toLogError(name, error);
  }
}

function withTransactions(log: Log, deadline: Deadline, statement: string, onPublish: () => void): Log {
  const { name, ms } = deadline;
  let isClosed = false;
  const close = log.close!.bind(log);
  return Object.assign(log, {
    close() {
      isClosed = true;
      return close();
    },
    async appendIn(
      transaction: unknown,
      entries: readonly LogEntry[],
      appendOptions: AppendOptions = {},
    ): Promise<void> {
      if (isClosed) throw refusal('closed', `${name} is closed; open it again to continue.`);
      try {
        await withDeadline(deadline, () =>
          appendToOutbox(name, statement, transaction, entries, appendOptions),
        );
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        // A connection of the application that hangs must not hold the close of the feed.
        throw new LinefeedError(
          'log_failed',
          `${name} did not write a publish in its transaction within ${ms} ms; roll the transaction back, and begin it again.`,
          { cause: error, retryable: true },
        );
      }
      onPublish();
    },
  });
}
