/** Decides which errors of PostgreSQL a repeat can overcome, and gives the others a remedy. */
import { LinefeedError } from '@linefeed/shared/wire';

/** Classes of SQLSTATE that a repeat can overcome: connection, conflict, resources, the operator, the system, locks. */
const RETRYABLE_CLASSES = ['08', '40', '53', '55', '57', '58'];
/** A connection that was ended; a read-only server, which may be promoted. */
const RETRYABLE_CODES = ['25P02', '25P03', '25006'];

const REMEDIES: Readonly<Record<string, string>> = {
  '42501': 'grant the role of the client SELECT, INSERT, UPDATE and DELETE on the tables of the log',
  '42P01': 'its tables were dropped; start the process again, which creates them',
  '42883': 'its functions were dropped; start the process again, which creates them',
  '3F000': 'create the schema that the option table names',
  '3D000': 'create the database that the client names',
  '28P01': 'look at the user and the password of the client',
  '28000': 'look at the user of the client, and at pg_hba.conf of the server',
  P0002: 'the row of its head was deleted; start the process again, which begins the log anew',
  LF001: 'it is an old copy, and was not written',
};

/** The error as `RemoteLog` expects it: a LinefeedError only if a repeat cannot help. */
export function toStoreError(name: string, error: unknown): unknown {
  const code = sqlStateOf(error);
  if (code === undefined || RETRYABLE_CODES.includes(code) || RETRYABLE_CLASSES.includes(code.slice(0, 2)))
    return error;
  const remedy = REMEDIES[code] ?? 'look at the log of the server';
  return refused(`${name} refuses: ${(error as Error).message} (${code}); ${remedy}.`, error);
}

/** The SQLSTATE of an error of the server. Errors of client libraries have other codes, such as `ECONNRESET`. */
export function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' && /^[0-9A-Z]{5}$/.test(code)
    ? code
    : undefined;
}

/** The error of a publish with a transaction: the server then refuses the rest of that transaction too. */
export function transactionFailed(name: string, error: unknown): LinefeedError {
  const known = toStoreError(name, error);
  if (LinefeedError.is(known)) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return new LinefeedError(
    'log_failed',
    `${name} could not record an event in a transaction: ${reason}; roll back, and repeat the whole transaction.`,
    { cause: error, retryable: true },
  );
}

export function refused(message: string, cause?: unknown): LinefeedError {
  return new LinefeedError('log_failed', message, { cause, retryable: false });
}
