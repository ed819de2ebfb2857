/** A subscription as an async iterable, with back-pressure: the next event waits for the consumer. */
import type { LinefeedError } from '@linefeed/shared';
import type { Subscription } from './types.ts';

/**
 * Subscribes at the first `next()`. The next call of `next()` marks the previous event as handled, so the
 * subscription's queue bounds the number of waiting events. The iterable ends with the subscription, throws its final error, and
 * unsubscribes when the loop is left.
 */
export function iterate<T>(
  subscribe: (handler: (data: T) => Promise<void>, onFail: (error: LinefeedError) => void) => Subscription,
): AsyncGenerator<T, void, void> {
  let subscription: Subscription | undefined;
  let held: { readonly data: T; readonly done: () => void } | undefined;
  let failure: LinefeedError | undefined;
  let wake = () => {};

  async function* events() {
    subscription = subscribe(
      (data) =>
        new Promise((done) => {
          held = { data, done };
          wake();
        }),
      (error) => {
        failure = error;
        wake();
      },
    );
    subscription.subscribe(() => wake());
    try {
      for (;;) {
        if (held) {
          const { data, done } = held;
          held = undefined;
          yield data;
          done();
        } else if (failure) throw failure;
        else if (subscription.getSnapshot().status === 'ended') return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      subscription();
    }
  }

  const iterator = events();
  // A generator that awaits runs `return` and `throw` only after it resumes. Unsubscribe first to resume it.
  for (const name of ['return', 'throw'] as const) {
    const leave = iterator[name].bind(iterator) as (value: unknown) => ReturnType<typeof iterator.return>;
    iterator[name] = (value: unknown) => {
      subscription?.();
      return leave(value);
    };
  }
  return iterator;
}
