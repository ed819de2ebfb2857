/** The log of a feed process, as text for its environment. */
import type { Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';

/** Environment variable with the specification as JSON. */
export const LOG_VARIABLE = 'LINEFEED_LOG';

export interface LogSpec {
  readonly kind: 'sqlite';
  readonly path: string;
}

/** Runs a function in a transaction of the log's database. */
type Transact = (work: (transaction: unknown) => Promise<void>) => Promise<void>;

export interface OpenedLog {
  readonly log: Log;
  readonly transact?: Transact | undefined;
}

export async function openLog(spec: LogSpec): Promise<OpenedLog> {
  return await Promise.resolve({ log: sqliteLog({ path: spec.path }) });
}
