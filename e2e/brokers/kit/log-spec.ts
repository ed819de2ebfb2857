/** The log of a feed process, as text for its environment. */
import type { Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';

/** Environment variable with the specification as JSON. */
export const LOG_VARIABLE = 'LINEFEED_LOG';

export type LogSpec = { readonly kind: 'sqlite'; readonly path: string };

export function openLog(spec: LogSpec): Log {
  return sqliteLog({ path: spec.path });
}
