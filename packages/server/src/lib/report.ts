/** What is said when nobody asked to be told: the only file of the server that writes to the console. */

/** Hands errors to `onError`, or to the console where there is none. Never throws: a hook that does is told of too. */
export function createReporter(onError: ((error: unknown) => void) | undefined): (error: unknown) => void {
  return (error) => {
    try {
      if (onError === undefined) console.error('linefeed:', error);
      else onError(error);
    } catch (failure) {
      console.error('linefeed: onError itself failed:', failure);
    }
  };
}

/** Whether hints for developers are out of place. */
export function isProduction(): boolean {
  const { process } = globalThis as { process?: { env?: { NODE_ENV?: string } } };
  return process?.env?.NODE_ENV === 'production';
}

/** Warns of what works, but most likely not as it was meant. */
export function warn(message: string): void {
  console.warn(`linefeed: ${message}`);
}
