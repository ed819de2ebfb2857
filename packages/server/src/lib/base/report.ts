/** Console output. No other file of the server writes to the console. */
import { LinefeedError } from '@linefeed/shared/wire';

/**
 * Passes errors to `onError`, or to the console if there is none. Never throws: an error of `onError` goes to the
 * console.
 */
export function createReporter(onError: ((error: unknown) => void) | undefined): (error: unknown) => void {
  return (error) => {
    try {
      if (onError === undefined) console.error('linefeed:', isExpected(error) ? String(error) : error);
      else onError(error);
    } catch (failure) {
      console.error('linefeed: onError itself failed:', failure);
    }
  };
}

/** Whether hints for developers must be omitted. */
export function isProduction(): boolean {
  return nodeEnv() === 'production';
}

export function nodeEnv(): string | undefined {
  const { process } = globalThis as { process?: { env?: { NODE_ENV?: string } } };
  return process?.env?.NODE_ENV;
}

/** The stack of a refusal points only into this package. It does not help, and fills the terminal. */
function isExpected(error: unknown): boolean {
  return LinefeedError.is(error) && error.cause === undefined && (error.status ?? 500) < 500;
}

/** Warns of a use that works, but is probably a mistake. */
export function warn(message: string): void {
  console.warn(`linefeed: ${message}`);
}
