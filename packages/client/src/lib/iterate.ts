/** A subscription as an async iterable: the consumer's pace is the handler's. */
import type { Subscription } from './subscription.ts';

/**
 * Subscribes at the first `next()`. An event counts as handled when the one after it is asked for, so what waits is
 * bounded by the subscription's queue. Ends with the subscription, throws its final error, unsubscribes when left.
 */
export function iterate<T>(
  subscribe: (handler: (payload: T) => Promise<void>) => Subscription,
): AsyncGenerator<T, void, void> {
  let subscription: Subscription | undefined;
  let held: { readonly payload: T; readonly done: () => void } | undefined;
  let wake = () => {};

  async function* events() {
    subscription = subscribe(
      (payload) =>
        new Promise((done) => {
          held = { payload, done };
          wake();
        }),
    );
    subscription.subscribe(() => wake());
    try {
      for (;;) {
        const { status, error } = subscription.getSnapshot();
        if (held) {
          const { payload, done } = held;
          held = undefined;
          yield payload;
          done();
        } else if (status === 'failed') throw error!;
        else if (status === 'ended') return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      subscription();
    }
  }

  const iterator = events();
  const leave = iterator.return.bind(iterator);
  // A generator that waits inside hears of `return` only when it goes on.
  iterator.return = (value) => {
    subscription?.();
    return leave(value);
  };
  return iterator;
}
