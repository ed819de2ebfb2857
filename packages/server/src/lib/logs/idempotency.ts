/** What an idempotency key may be used for, and what is said when it was used for something else. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { AppendOptions, LogEntry } from '../log.ts';

/** @throws LinefeedError `invalid_option`: a key names one event at one address. */
export function checkKeyed(entries: readonly LogEntry[], { idempotencyKey }: AppendOptions): void {
  if (idempotencyKey === undefined || entries.length === 1) return;
  throw new LinefeedError(
    'invalid_option',
    `An append with an idempotencyKey takes one entry, not ${entries.length}; give each entry an append and a key of its own.`,
  );
}

export function conflictOf(address: string, key: string): LinefeedError {
  return new LinefeedError(
    'idempotency_conflict',
    `The idempotency key ${JSON.stringify(key)} was used at ${address} for another payload; use a new key for a new event.`,
    { status: 409, address },
  );
}
