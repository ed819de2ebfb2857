/** Validation of idempotency keys, and the error for a key that was used with another payload. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { AppendOptions, LogEntry } from './log.ts';

/** Maximum size of a key in bytes of UTF-8. A key is kept as long as its event. */
const MAX_KEY_BYTES = 256;

/** @throws LinefeedError `invalid_option`: a key is a short text, and names one event at one address. */
export function checkKeyed(entries: readonly LogEntry[], { idempotencyKey }: AppendOptions): void {
  if (idempotencyKey === undefined) return;
  checkKey(idempotencyKey);
  if (entries.length === 1) return;
  throw new LinefeedError(
    'invalid_option',
    `An append with an idempotencyKey takes one entry, not ${entries.length}; give each entry an append and a key of its own.`,
  );
}

function checkKey(key: unknown): void {
  if (typeof key !== 'string' || key === '') {
    throw new LinefeedError(
      'invalid_option',
      `An idempotencyKey must be a string with at least one character, not ${key === '' ? 'an empty one' : key === null ? 'null' : `a value of type ${typeof key}`}.`,
    );
  }
  if (!key.isWellFormed()) {
    // In UTF-8, which servers store, two such keys may be equal.
    throw new LinefeedError(
      'invalid_option',
      `An idempotencyKey must be well-formed Unicode; ${JSON.stringify(key.slice(0, 40))} has a lone surrogate in it.`,
    );
  }
  // A UTF-16 code unit is at most three bytes of UTF-8, so most keys need no count.
  if (key.length * 3 <= MAX_KEY_BYTES) return;
  const bytes = new TextEncoder().encode(key).byteLength;
  if (bytes <= MAX_KEY_BYTES) return;
  throw new LinefeedError(
    'invalid_option',
    `An idempotencyKey has ${bytes} bytes, more than ${MAX_KEY_BYTES}: it begins with ${JSON.stringify(key.slice(0, 40))}; give a hash of it instead.`,
  );
}

export function conflictOf(address: string, key: string): LinefeedError {
  return new LinefeedError(
    'idempotency_conflict',
    `The idempotency key ${JSON.stringify(key)} was used at ${address} for another payload; use a new key for a new event.`,
    { status: 409, address },
  );
}
