/** A subscription as an async iterable, with back-pressure: the next event waits for the consumer. */
import {
  LinefeedError,
  type AnyChannel,
  type ParamsInput,
  type Payload,
  type RunName,
  type RunResult,
  type TopicName,
} from '@linefeed/shared';
import type { SubscriberOptions } from '../subscriptions/subscription.ts';
import type { AnyHandler, RunEnd, Subscription } from '../subscriptions/types.ts';
import type { Client, OptionsOf } from './client.ts';

/** The arguments of `iterate` after the topic. */
export type IterateArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: OptionsOf<C, K> & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: OptionsOf<C, K> & { readonly params?: ParamsInput<C, K> }]
      : [options: OptionsOf<C, K> & { readonly params: ParamsInput<C, K> }];

/** The value that the generator of a topic returns: the end of the run, or nothing. */
export type IterateReturn<C extends AnyChannel, K extends TopicName<C>> =
  K extends RunName<C> ? (RunEnd<RunResult<C, K>> & { readonly outcome: 'done' | 'stopped' }) | void : void;

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
 * For a run topic the loop ends with the current run. If no run is running, it waits for the next one. The generator
 * returns the end of the run, or `undefined` if it was left before.
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
 * @throws LinefeedError (from the loop) the final error of the subscription; `closed` after `close()`; the error of a
 *   run that has failed, and `run_lost` for one that is lost or gone
 */
export function iterate<C extends AnyChannel, K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
  client: Client<C>,
  topic: K,
  ...rest: IterateArguments<C, K>
): AsyncGenerator<Payload<C, K>, IterateReturn<C, K>, void>;
export function iterate(
  client: { readonly subscribe: unknown },
  topic: string,
  given?: object,
): AsyncGenerator<unknown, unknown, void> {
  const { params, ...options } = { ...given } as SubscriberOptions & { readonly params?: unknown };
  let subscription: Subscription | undefined;
  let held: { readonly data: unknown; readonly done: () => void } | undefined;
  let failure: LinefeedError | undefined;
  let end: RunEnd | undefined;
  let wake = () => {};

  // The next call of `next()` marks the previous event as handled. So the subscription's queue bounds the number of
  // waiting events.
  async function* events() {
    subscription = (client.subscribe as Subscribe)(
      topic,
      params,
      (data) =>
        new Promise<void>((done) => {
          held = { data, done };
          wake();
        }),
      {
        ...options,
        onEnd(runEnd) {
          end ??= runEnd;
          wake();
          return options.onEnd?.(runEnd);
        },
        onFail(error) {
          failure = error;
          wake();
        },
      },
    );
    subscription.subscribe(() => wake());
    try {
      for (;;) {
        // The next run can begin before the loop resumes.
        if (end) return checkEnd(end);
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

/** Throws if the run has no complete record. */
function checkEnd(end: RunEnd): RunEnd {
  const { run, outcome, error } = end;
  if (outcome === 'done' || outcome === 'stopped') return end;
  throw error ?? new LinefeedError('run_lost', `The run ${run} is ${outcome}.`);
}
