/** A subscription as an async iterable, with back-pressure: the next event waits for the consumer. */
import type { AnyChannel, LinefeedError, ParamsInput, Payload, TopicName } from '@linefeed/shared';
import type { SubscriberOptions } from '../subscriptions/subscription.ts';
import type { AnyHandler, Subscription, SubscriptionOptions } from '../subscriptions/types.ts';
import type { Client } from './client.ts';

/** The arguments of `iterate` after the topic. */
export type IterateArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: SubscriptionOptions & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: SubscriptionOptions & { readonly params?: ParamsInput<C, K> }]
      : [options: SubscriptionOptions & { readonly params: ParamsInput<C, K> }];

type Subscribe = (
  topic: string,
  params: unknown,
  handler: AnyHandler,
  options: SubscriberOptions,
) => Subscription;

/**
 * Subscribes as an async iterable of payloads. The next event is requested when the loop has handled the one before.
 * Leaving the loop unsubscribes. The loop ends with the stream, and throws the final error of the subscription.
 *
 * @example
 *   import { createClient, iterate } from '@linefeed/client';
 *   import type { board } from './channel.ts';
 *
 *   const client = createClient<typeof board>({ url: '/events' });
 *   for await (const step of iterate(client, 'report', { params: { year: 2026 } })) console.log(step);
 *
 * @param client The client that subscribes
 * @param topic A topic of the channel
 * @returns A generator that subscribes at its first `next()`
 * @throws LinefeedError (from the loop) the final error of the subscription; `closed` after `close()`
 */
export function iterate<C extends AnyChannel, K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
  client: Client<C>,
  topic: K,
  ...rest: IterateArguments<C, K>
): AsyncGenerator<Payload<C, K>, void, void>;
export function iterate(
  client: Client<AnyChannel>,
  topic: string,
  given?: SubscriptionOptions & { readonly params?: unknown },
): AsyncGenerator<unknown, void, void> {
  const { params, ...options } = { ...given };
  let subscription: Subscription | undefined;
  let held: { readonly data: unknown; readonly done: () => void } | undefined;
  let failure: LinefeedError | undefined;
  let wake = () => {};

  // The next call of `next()` marks the previous event as handled. So the subscription's queue bounds the number of
  // waiting events.
  async function* events() {
    subscription = (client.subscribe as unknown as Subscribe)(
      topic,
      params,
      (data) =>
        new Promise<void>((done) => {
          held = { data, done };
          wake();
        }),
      {
        ...options,
        onFail(error) {
          failure = error;
          wake();
        },
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
