/** The deadline of a call of a database, and the errors of calls without an answer. */
import type { ErrorCode } from '@linefeed/shared';
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';

/** The server gave no answer within the deadline of one call. */
export class NoAnswer extends LinefeedError {
  constructor(name: string, ms: number, code: ErrorCode) {
    super(
      code,
      `${name} did not answer within ${Math.round(ms)} ms; look whether its server runs and can be reached.`,
      { retryable: true },
    );
  }
}

/** The error for a caller, that of the user's client library as its cause. */
export function toUnusable(name: string, error: unknown, code: ErrorCode): LinefeedError {
  if (LinefeedError.is(error)) return error;
  return new LinefeedError(
    code,
    `${name} cannot be used: ${reasonOf(error)}; look whether its server runs and can be reached.`,
    { cause: error, retryable: true },
  );
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  // Some client libraries reject with an empty message.
  return error.message || (typeof code === 'string' ? code : error.name);
}

export interface Deadline {
  readonly clock: Clock;
  /** For the message of the error. */
  readonly name: string;
  readonly ms: number;
  /** The code of its error. */
  readonly code: ErrorCode;
  /** Ends the wait earlier. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The result of a call, or a rejection when its deadline has passed. The call gets a signal that aborts then: it need
 * not obey it.
 *
 * @throws NoAnswer
 */
export function withDeadline<T>(
  { clock, name, ms, code, signal }: Deadline,
  perform: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const finish = (): void => {
      timer.clear();
      signal?.removeEventListener('abort', give);
    };
    const give = (): void => {
      const error = new NoAnswer(name, ms, code);
      finish();
      reject(error);
      controller.abort(error);
    };
    const timer = clock.after(ms, give);
    if (signal?.aborted === true) return give();
    signal?.addEventListener('abort', give, { once: true });
    // A late result or error changes nothing.
    void (async () => await perform(controller.signal))().then(resolve, reject).finally(finish);
  });
}
