/** A subscription as an async iterable: the consumer's pace is the handler's. */
import type { LinefeedError } from '@linefeed/shared';
import type { Subscription } from './subscription.ts';

/**
 * Subscribes at the first `next()`. An event counts as handled when the one after it is asked for, so what waits is
 * bounded by the subscription's queue. Ends with the subscription, throws its final error, unsubscribes when left.
 */
export function iterate<T>(
  subscribe: (handler: (payload: T) => Promise<void>, onFail: (error: LinefeedError) => void) => Subscription,
): AsyncGenerator<T, void, void> {
  let subscription: Subscription | undefined;
  let held: { readonly payload: T; readonly done: () => void } | undefined;
  let failure: LinefeedError | undefined;
  let wake = () => {};

  async function* events() {
    subscription = subscribe(
      (payload) =>
        new Promise((done) => {
          held = { payload, done };
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
          const { payload, done } = held;
          held = undefined;
          yield payload;
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
  // A generator that waits inside hears of either only when it goes on.
  for (const name of ['return', 'throw'] as const) {
    const leave = iterator[name].bind(iterator) as (value: unknown) => ReturnType<typeof iterator.return>;
    iterator[name] = (value: unknown) => {
      subscription?.();
      return leave(value);
    };
  }
  return iterator;
}
