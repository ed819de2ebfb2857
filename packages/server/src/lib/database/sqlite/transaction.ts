/** A transaction of a SQLite file. */
import type { StatementSync } from 'node:sqlite';

/** The texts of the statements of a transaction. */
export const TRANSACTION_TEXTS = {
  beginRead: 'BEGIN',
  beginWrite: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
} as const;

/** The statements of a transaction, prepared. */
export type TransactionStatements = Readonly<Record<keyof typeof TRANSACTION_TEXTS, StatementSync>>;

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
