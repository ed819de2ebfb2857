/** What uses a database: its errors name it. */
import type { ErrorCode } from '@linefeed/shared';

export interface DatabaseUse {
  /** The function that opens it, as in `client of a redisLog must be …`. */
  readonly factory: string;
  /** As in `choose another key for the log`. */
  readonly noun: string;
  /** The noun for its data, as in `loses the newest events`. */
  readonly content: string;
  /** The code of its errors. */
  readonly code: ErrorCode;
  /** Whether what it writes has an expiry, so that a server that is out of memory may evict it. */
  readonly expires: boolean;
}

/** @param factory The function that opens the log */
export function logUse(factory: string): DatabaseUse {
  return { factory, noun: 'log', content: 'events', code: 'log_failed', expires: false };
}

/** @param factory The function that opens the store */
export function runsUse(factory: string): DatabaseUse {
  return { factory, noun: 'store', content: 'runs', code: 'runs_failed', expires: true };
}
