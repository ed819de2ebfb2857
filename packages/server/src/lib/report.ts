/** What is said when nobody asked to be told: the only file of the server that writes to the console. */
import { LinefeedError } from '@linefeed/shared/wire';

/** Hands errors to `onError`, or to the console where there is none. Never throws: a hook that does is told of too. */
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

/** Whether hints for developers are out of place. */
export function isProduction(): boolean {
  return nodeEnv() === 'production';
}

export function nodeEnv(): string | undefined {
  const { process } = globalThis as { process?: { env?: { NODE_ENV?: string } } };
  return process?.env?.NODE_ENV;
}

/** The stack of a refusal points into this package: it helps nobody, and floods a terminal. */
function isExpected(error: unknown): boolean {
  return LinefeedError.is(error) && error.cause === undefined && (error.status ?? 500) < 500;
}

/** Warns of what works, but most likely not as it was meant. */
export function warn(message: string): void {
  console.warn(`linefeed: ${message}`);
}
