/** Errors of a log on a server. Each names the log, and tells whether the call may have had an effect. */
import { LinefeedError } from '@linefeed/shared/wire';
import { NoAnswer, reasonOf, toUnusable } from '../../database/deadline.ts';

/** Whether the server refuses the call, so that a repeat cannot help. */
export function isFinal(error: unknown): boolean {
  return LinefeedError.is(error) && !error.retryable;
}

/** The error for a caller, the user's client library as its cause. */
export function toLogError(name: string, error: unknown): LinefeedError {
  return toUnusable(name, error, 'log_failed');
}

/** An append whose deadline has passed after it was sent. */
export function outcomeUnknown(name: string, ms: number, cause: unknown): LinefeedError {
  return new LinefeedError(
    'log_failed',
    `${name} did not confirm an append within ${ms} ms${because(cause)}. It is not known whether the event was stored, and it may still be stored. A repeat with an idempotencyKey is stored once.`,
    { cause, retryable: true },
  );
}

/** An append whose deadline has passed before it was sent. */
export function notSent(name: string, ms: number, cause: unknown): LinefeedError {
  return new LinefeedError(
    'log_failed',
    `${name} took no append within ${ms} ms${because(cause)}. The event was not sent and is not stored; publish it again later.`,
    { cause, retryable: true },
  );
}

/** The server refused a repeat, but an earlier attempt may have succeeded. */
export function refusedLater(name: string, cause: unknown): LinefeedError {
  return new LinefeedError(
    'log_failed',
    `${name} refuses an append: ${reasonOf(cause)} An earlier attempt had no answer, so it is not known whether the event was stored.`,
    { cause },
  );
}

function because(cause: unknown): string {
  return cause === undefined || cause instanceof NoAnswer ? '' : ` (${reasonOf(cause)})`;
}
