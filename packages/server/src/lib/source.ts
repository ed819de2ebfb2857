/** Runs a source for one receiver: pulls it no faster than it is taken, and always ends it. */
import type { Clock } from './clock.ts';

/** What a source may be iterated as. */
export type SourceContent = AsyncIterable<unknown> | Iterable<unknown>;

/** How a run ended. */
export type RunEnd =
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'cancelled' };

export interface RunOptions {
  /** Opens the source. Its errors end the run as `failed`. */
  readonly open: () => SourceContent | PromiseLike<SourceContent>;
  /** Takes one value; a promise holds the source until there is room again. Must settle once `signal` aborts. */
  readonly take: (value: unknown) => void | Promise<void>;
  /** Aborting it cancels the run: the source is returned, wherever it stands. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** What `return()` throws, where nobody waits for it any more. Default: dropped. */
  readonly onCleanupError?: ((error: unknown) => void) | undefined;
}

/** A source that never waits would keep every other connection from being served. */
const SLICE_MS = 8;

/** Runs a source to its end. Never rejects. */
export async function runSource({
  open,
  take,
  signal,
  clock,
  onCleanupError = ignore,
}: RunOptions): Promise<RunEnd> {
  let iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  /** While it is asked: an iterator whose `next` fails is over, and `return` is not its business any more. */
  let over = false;
  const cancellable = createCancellable(signal);
  try {
    if (signal.aborted) return { type: 'cancelled' };
    const opening = open();
    const content = isThenable(opening) ? await cancellable.wait(opening) : opening;
    if (content === CANCELLED) {
      // It may still come, and then somebody has to end it.
      void Promise.resolve(opening).then((late) => endIterator(toIterator(late), onCleanupError), ignore);
      return { type: 'cancelled' };
    }
    iterator = toIterator(content);
    let sliceStart = clock.now();
    while (!signal.aborted) {
      over = true;
      const next = iterator.next();
      const step = isThenable(next) ? await cancellable.wait(next) : next;
      if (step !== CANCELLED && step.done === true) return { type: 'finished' };
      over = false;
      if (step === CANCELLED) break;
      // As `for await` has it: a sync iterable may hold promises.
      const value = isThenable(step.value) ? await cancellable.wait(step.value) : step.value;
      if (value === CANCELLED) break;
      const taking = take(value);
      if (taking !== undefined) await taking;
      if (clock.now() - sliceStart > SLICE_MS) {
        await new Promise<void>((resolve) => clock.defer(resolve));
        sliceStart = clock.now();
      }
    }
    return { type: 'cancelled' };
  } catch (error) {
    // What a source throws because its signal aborted is its way to end.
    return signal.aborted ? { type: 'cancelled' } : { type: 'failed', error };
  } finally {
    cancellable.dispose();
    if (!over && iterator !== undefined) endIterator(iterator, onCleanupError);
  }
}

const CANCELLED: unique symbol = Symbol('cancelled');

/** Waits for a promise or the abort, whichever comes first. */
interface Cancellable {
  wait<T>(promise: PromiseLike<T>): Promise<T | typeof CANCELLED>;
  dispose(): void;
}

// Not Promise.race against one long promise: each race would hang a reaction on it that lives as long as the run.
function createCancellable(signal: AbortSignal): Cancellable {
  let cancel: ((value: typeof CANCELLED) => void) | undefined;
  const onAbort = (): void => cancel?.(CANCELLED);
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    wait: (promise) =>
      new Promise((resolve, reject) => {
        cancel = resolve;
        if (signal.aborted) resolve(CANCELLED);
        promise.then(resolve, reject);
      }),
    dispose: () => signal.removeEventListener('abort', onAbort),
  };
}

function toIterator(content: SourceContent): Iterator<unknown> | AsyncIterator<unknown> {
  return Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
}

/** Not awaited: a generator that waits for something deaf to its signal answers only when that comes. */
export function endIterator(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  onError: (error: unknown) => void,
): void {
  const report = (error: unknown): void => {
    // The abort that ended it, coming back.
    if (!(error instanceof Error && error.name === 'AbortError')) onError(error);
  };
  try {
    const ending = iterator.return?.();
    if (isThenable(ending)) void Promise.resolve(ending).then(ignore, report);
  } catch (error) {
    report(error);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function ignore(): void {}
