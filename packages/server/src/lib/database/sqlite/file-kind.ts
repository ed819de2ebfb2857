/** Kinds of SQLite files: the identity of a file, its tables, and the words of its errors. */
import type { DatabaseSync } from 'node:sqlite';

/** The state of a file when it was opened. */
export interface OpenedFile {
  /** The tables were created now. */
  readonly isNew: boolean;
  /** The last process did not close the file: after a system crash its newest writes may be missing. */
  readonly isUnclean: boolean;
}

export interface FileKind {
  /** For messages, for example `log`. */
  readonly noun: string;
  readonly code: 'log_failed' | 'runs_failed';
  /** In the file's header. */
  readonly applicationId: number;
  /** Version of the schema. */
  readonly format: number;
  /** Creates the tables and indexes. */
  readonly schema: string;
  /** Whether the whole file is checked when it is opened. Only for files of a bounded size: the check blocks. */
  readonly isReadWhole: boolean;
  /** Throws if a table or a column is missing. */
  prepare(db: DatabaseSync): void;
  /** Checks and changes the content, in the transaction that may have created the tables. */
  settle?(db: DatabaseSync, opened: OpenedFile, path: string): void;
}
