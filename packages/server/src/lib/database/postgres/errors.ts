/** Decides which errors of PostgreSQL a repeat can overcome, and gives the others a remedy. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';

/** Classes of SQLSTATE that a repeat can overcome: connection, conflict, resources, the operator, the system, locks. */
const RETRYABLE_CLASSES = ['08', '40', '53', '55', '57', '58'];
/** A connection that was ended; a read-only server, which may be promoted. */
const RETRYABLE_CODES = ['25P02', '25P03', '25006'];

/** With `{noun}` for the user. */
const REMEDIES: Readonly<Record<string, string>> = {
  '42501': 'grant the role of the client SELECT, INSERT, UPDATE and DELETE on the tables of the {noun}',
  '42P01': 'its tables were dropped; start the process again, which creates them',
  '42704': 'its tables were dropped; start the process again, which creates them',
  '42883': 'its functions were dropped; start the process again, which creates them',
  '3F000': 'create the schema that the option table names',
  '3D000': 'create the database that the client names',
  '28P01': 'look at the user and the password of the client',
  '28000': 'look at the user of the client, and at pg_hba.conf of the server',
  P0002: 'the row of its head was deleted; start the process again, which begins the {noun} anew',
  LF001: 'it is an old copy, and was not written',
};

/** The log or store that calls, for messages. */
export interface Caller {
  readonly name: string;
  readonly use: DatabaseUse;
}

/** Errors that a repeat can overcome are returned as they are. */
export function toPostgresError(error: unknown, caller: Caller): unknown {
  const code = sqlStateOf(error);
  if (code === undefined || RETRYABLE_CODES.includes(code) || RETRYABLE_CLASSES.includes(code.slice(0, 2)))
    return error;
  const { name, use } = caller;
  const remedy = (REMEDIES[code] ?? 'look at the log of the server').replaceAll('{noun}', use.noun);
  return refused(use, `${name} refuses: ${(error as Error).message} (${code}); ${remedy}.`, error);
}

/** The SQLSTATE of an error of the server. Errors of client libraries have other codes, such as `ECONNRESET`. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' && /^[0-9A-Z]{5}$/.test(code)
    ? code
    : undefined;
}

export function refused({ code }: DatabaseUse, message: string, cause?: unknown): LinefeedError {
  return new LinefeedError(code, message, { cause, retryable: false });
}
