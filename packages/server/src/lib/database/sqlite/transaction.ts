/** A transaction of a SQLite file. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The statements of a transaction. */
export interface TransactionStatements {
  readonly beginRead: StatementSync;
  readonly beginWrite: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
}

export function prepareTransaction(db: DatabaseSync): TransactionStatements {
  return {
    beginRead: db.prepare('BEGIN'),
    beginWrite: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
  };
}

/** Runs `work` as one transaction: all of it or nothing. */
export function runTransaction<T>(
  { beginRead, beginWrite, commit, rollback }: TransactionStatements,
  kind: 'read' | 'write',
  work: () => T,
): T {
  (kind === 'write' ? beginWrite : beginRead).run();
  try {
    const result = work();
    commit.run();
    return result;
  } catch (error) {
    // After some failures SQLite has already ended the transaction, and a rollback throws.
    try {
      rollback.run();
    } catch {}
    throw error;
  }
}
