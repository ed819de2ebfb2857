/** Runs a source for one receiver: pulls it with back-pressure, and always ends it. */
import type { Clock } from './clock.ts';
import { ignore, isThenable } from './promise.ts';

/** The forms of a source that can be iterated. */
export type SourceContent = AsyncIterable<unknown> | Iterable<unknown>;

/** How a source ended. `value`: what its iterator returned. */
export type SourceEnd =
  | { readonly type: 'finished'; readonly value: unknown }
  | { readonly type: 'failed'; readonly error: unknown }
  | { readonly type: 'cancelled' };

export interface SourceOptions {
  /** Opens the source. Its errors end the run as `failed`. */
  readonly open: () => SourceContent | PromiseLike<SourceContent>;
  /** Takes one value. A returned promise pauses the source until it settles. Must settle once `signal` aborts. */
  readonly take: (value: unknown) => void | Promise<void>;
  /** Aborting it cancels the run and calls the source's `return()` in any state. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Receives errors thrown by the source's `return()`. */
  readonly onCleanupError: (error: unknown) => void;
}

/** A source that never waits would block all other connections. After this time the loop yields to the event loop. */
const SLICE_MS = 8;

/** A source, and whether `return()` must still be called. */
interface Run {
  iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  /** The iterator has ended, or `return()` was called. It must not be called again. */
  isOver: boolean;
}

/** Runs a source to its end. Never rejects. */
export function runSource(options: SourceOptions): Promise<SourceEnd> {
  const { signal, onCleanupError } = options;
  const run: Run = { iterator: undefined, isOver: false };
  const end = (): void => {
    if (run.iterator === undefined || run.isOver) return;
    run.isOver = true;
    endIterator(run.iterator, onCleanupError);
  };
  return new Promise((resolve) => {
    // Separate from the loop, which may wait for a source that ignores its signal. Racing each step against the abort
    // would cost three promises per event.
    const cancel = (): void => {
      end();
      resolve({ type: 'cancelled' });
    };
    // Deferred, so that other listeners of the signal run first. Also, a generator that is inside its own `next` at the
    // abort could not be returned.
    const onAbort = (): void => queueMicrotask(cancel);
    signal.addEventListener('abort', onAbort, { once: true });
    void pull(run, options).then((ended) => {
      signal.removeEventListener('abort', onAbort);
      end();
      resolve(ended);
    });
  });
}

/** Pulls values until the source ends or fails, or the run is cancelled. */
async function pull(run: Run, { open, take, signal, clock }: SourceOptions): Promise<SourceEnd> {
  try {
    if (signal.aborted) return { type: 'cancelled' };
    const opening = open();
    // A source that opens after the run was cancelled must still be ended.
    run.iterator = toIterator(isThenable(opening) ? await opening : opening);
    let sliceStart = clock.now();
    while (!signal.aborted) {
      let step: IteratorResult<unknown>;
      try {
        const asked = run.iterator.next();
        step = isThenable(asked) ? await asked : asked;
      } catch (error) {
        // An iterator whose `next` fails is over.
        run.isOver = true;
        throw error;
      }
      if (step.done === true) {
        run.isOver = true;
        return { type: 'finished', value: step.value };
      }
      // Same as `for await`: a sync iterable may contain promises.
      const value: unknown = isThenable(step.value) ? await step.value : step.value;
      if (signal.aborted) break;
      const taking = take(value);
      if (taking !== undefined) await taking;
      if (clock.now() - sliceStart > SLICE_MS) {
        await new Promise<void>((resolve) => clock.defer(resolve));
        sliceStart = clock.now();
      }
    }
    return { type: 'cancelled' };
  } catch (error) {
    // An error after the abort ends the run. It is not a failure.
    return signal.aborted ? { type: 'cancelled' } : { type: 'failed', error };
  }
}

export interface PullOptions extends Omit<SourceOptions, 'take' | 'open'> {
  /** Opens the source. Its signal also aborts when the iteration is over. */
  readonly open: (signal: AbortSignal) => SourceContent | PromiseLike<SourceContent>;
}

/**
 * Runs a source for a receiver that pulls: each step of the iteration takes one value of the source. The iteration ends
 * when the signal aborts, even if the source never settles.
 */
export async function* pullSource({
  open,
  signal: session,
  ...options
}: PullOptions): AsyncGenerator<unknown, void, undefined> {
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = (): void => controller.abort();
  if (session.aborted) cancel();
  /* seam: abort-ends-run */ session.addEventListener('abort', cancel, { once: true });
  let offered: { readonly value: unknown } | undefined;
  let end: SourceEnd | undefined;
  let wake: () => void = ignore;
  let goOn: () => void = ignore;
  const take = (value: unknown): Promise<void> => {
    offered = { value };
    wake();
    return new Promise((resolve) => (goOn = resolve));
  };
  void runSource({ ...options, open: () => open(signal), signal, take }).then((ended) => {
    end = ended;
    wake();
  });
  const nextStep = async (): Promise<SourceEnd | { readonly value: unknown }> => {
    if (end === undefined && offered === undefined) await new Promise<void>((resolve) => (wake = resolve));
    return end ?? offered!;
  };
  try {
    for (;;) {
      const step = await nextStep();
      if ('type' in step) {
        if (step.type === 'failed') throw step.error;
        return;
      }
      offered = undefined;
      yield step.value;
      goOn();
    }
  } finally {
    session.removeEventListener('abort', cancel);
    controller.abort();
    goOn();
  }
}

function toIterator(content: SourceContent): Iterator<unknown> | AsyncIterator<unknown> {
  return Symbol.asyncIterator in content ? content[Symbol.asyncIterator]() : content[Symbol.iterator]();
}

/** Not awaited: a generator handles `return` only after its current await, which may ignore the signal. */
export function endIterator(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  onError: (error: unknown) => void,
): void {
  const report = (error: unknown): void => {
    // An AbortError is the expected result of the abort.
    if (!(error instanceof Error && error.name === 'AbortError')) onError(error);
  };
  try {
    const ending = iterator.return?.();
    if (isThenable(ending)) void Promise.resolve(ending).then(ignore, report);
  } catch (error) {
    report(error);
  }
}
