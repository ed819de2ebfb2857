/** The client of a channel. */
import {
  LinefeedError,
  type AnyChannel,
  type OneOf,
  type ParamsInput,
  type Payload,
  type TopicName,
} from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { checkClientOptions, checkSubscription, type ClientOptions } from './options.ts';
import { systemClock } from '../base/clock.ts';
import { createConnection } from '../connection/connection.ts';
import type { ConnectionSnapshot } from '../connection/state.ts';
import { createBackPressure } from '../base/back-pressure.ts';
import { iterate } from '../subscriptions/iterate.ts';
import { watchPage } from '../connection/page-lifecycle.ts';
import { createSubscriptionRegistry } from '../subscriptions/registry.ts';
import { createFrameRouter } from '../subscriptions/frame-router.ts';
import { createCommitTracker } from '../subscriptions/commit-tracker.ts';
import type { Readable } from '../base/store.ts';
import {
  createDelivery,
  later,
  type AnyHandler,
  type DeliveryOptions,
  type EventInfo,
  type Gap,
  type Subscription,
  type SubscriptionOptions,
} from '../subscriptions/subscription.ts';
import { fetchTransport } from '../transport/fetch.ts';
import { toOpenPersistence } from '../subscriptions/persist.ts';

export type { ClientOptions };

/** The handler of a topic. A returned promise is awaited before the next event. */
export type Handler<C extends AnyChannel, K extends TopicName<C>> = (
  payload: Payload<C, K>,
  event: EventInfo<K, ParamsInput<C, K>>,
) => unknown;

/**
 * The arguments of `subscribe` after the topic. `params` is absent if the topic has none, optional if all are optional.
 */
export type SubscribeArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [handler: Handler<C, K>, options?: SubscriptionOptions]
    : {} extends ParamsInput<C, K>
      ? | [handler: Handler<C, K>, options?: SubscriptionOptions]
        | [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: SubscriptionOptions]
      : [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: SubscriptionOptions];

/** The arguments of `iterate` after the topic. */
export type IterateArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: SubscriptionOptions & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: SubscriptionOptions & { readonly params?: ParamsInput<C, K> }]
      : [options: SubscriptionOptions & { readonly params: ParamsInput<C, K> }];

export interface Client<C extends AnyChannel> {
  /**
   * Calls `handler` with each event of an address, one at a time. A returned promise is awaited before the next event.
   *
   * @throws LinefeedError `closed` after `close()`
   */
  readonly subscribe: <K extends OneOf<TopicName<C>>>(
    topic: K,
    ...rest: SubscribeArguments<C, K>
  ) => Subscription;
  /**
   * Subscribes as an async iterable of payloads. It ends with the stream, throws the final error of the subscription,
   * and unsubscribes when the loop is left.
   */
  readonly iterate: <K extends OneOf<TopicName<C>>>(
    topic: K,
    ...rest: IterateArguments<C, K>
  ) => AsyncGenerator<Payload<C, K>, void, void>;
  /** The state of the connection. */
  readonly connection: Readable<ConnectionSnapshot>;
  /** The committed cursor: its event and all events that arrived before it are handled. */
  readonly cursor: string | undefined;
  /** When the last bytes arrived, in milliseconds since 1970. */
  readonly lastEventAt: number | undefined;
  /** Connects immediately, also after `failed`. */
  readonly reconnect: () => void;
  /** Ends all subscriptions and the connection permanently. */
  readonly close: () => void;
}

/**
 * Creates a client for a channel. The type of the channel is enough; its value adds run-time validation. The client
 * connects at the first subscription.
 *
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createClient<C extends AnyChannel>(
  ...[first, second]: [options: ClientOptions] | [channel: C, options: ClientOptions]
): Client<C> {
  const options = second ?? (first as ClientOptions);
  checkClientOptions(options);
  const channel = second && (first as C);
  const backPressure = createBackPressure();
  const commits = createCommitTracker(() => persistence?.note());
  const report = later(options.onError ?? print);
  let warned = false;
  let closed = false;

  const warn = ({ address, reason }: Gap) => {
    if (warned) return;
    warned = true;
    // oxlint-disable-next-line no-console -- no callback is set, and a gap must not be silent
    console.warn(`Events of ${address} may be missing (${reason}): give onGap to fetch what they changed.`);
  };

  const shared = {
    ...options,
    onGap: options.onGap ?? warn,
    url: String(options.url),
    clock: options.clock ?? systemClock,
    transport: options.transport ?? fetchTransport(),
    backPressure,
    commits,
    committed: commits.committed,
    report,
    reportInvalid: options.onInvalid ? later(options.onInvalid) : report,
  };
  const connection = createConnection(shared, {
    plan: () => registry.takeOpening(),
    onControl: (name, body, id) => router.onControl(name, body, id),
    onEvent: (event, data, id) => router.onEvent(event, data, id),
    onGone: () => registry.reset(),
    onOver(error) {
      router.onOver(error);
      if (error) report(error);
    },
  });
  const registry = createSubscriptionRegistry({
    ...shared,
    connection,
    restored: (address) => persistence?.restored(address),
  });
  const router = createFrameRouter({ ...shared, registry, connection });
  const persistence = toOpenPersistence(options.persist)?.({
    ...shared,
    committed: commits.committed,
    places: registry.entries,
  });
  const unwatch = watchPage((hint) => {
    if (hint === 'hidden' || hint === 'pagehide') persistence?.flush();
    connection.hint(hint);
  });

  const listen = (
    topic: string,
    params: unknown,
    handler: AnyHandler,
    given: DeliveryOptions = {},
  ): Subscription => {
    if (closed) throw new LinefeedError('closed', `The client is closed: ${topic} cannot be subscribed.`);
    checkSubscription(topic, params, handler, given);
    const schema = channel?.topics.get(topic)?.data;
    const delivery = createDelivery(
      shared,
      topic,
      params,
      schema,
      handler,
      given,
      () => registry.remove(delivery),
      () => registry.resume(delivery),
    );
    if (given.signal?.aborted) delivery.subscription();
    else {
      try {
        registry.add(delivery, given);
      } catch (cause) {
        // No request can carry these params or this `from`. Report a refused subscription: an exception would interrupt
        // a render.
        const error = LinefeedError.is(cause) ? cause : invalidOption(`${topic}: ${String(cause)}`);
        queueMicrotask(() => delivery.fail(error));
      }
    }
    return delivery.subscription;
  };

  return {
    subscribe: (topic, ...rest) => {
      const [params, handler, given] = (
        typeof rest[0] === 'function' ? [undefined, ...rest] : rest
      ) as Parameters<typeof listen> extends [string, ...infer Rest] ? Rest : never;
      return listen(topic, params, handler, given);
    },
    iterate(topic, ...[given]) {
      const { params, ...rest } = { ...given } as SubscriptionOptions & { readonly params?: unknown };
      return iterate((handler, onFail) => listen(topic, params, handler as AnyHandler, { ...rest, onFail }));
    },
    connection: { getSnapshot: connection.getSnapshot, subscribe: connection.subscribe },
    get cursor() {
      return commits.committed();
    },
    get lastEventAt() {
      return connection.lastEventAt();
    },
    reconnect() {
      if (registry.entries.size > 0) connection.open('asked');
    },
    close() {
      closed = true;
      unwatch();
      persistence?.close();
      registry.close();
      connection.stop('close', 'asked');
    },
  };
}

/** Prints no stack for an error without a cause: such an error is created in this package. */
function print(error: LinefeedError): void {
  // oxlint-disable-next-line no-console -- no callback is set, and an error must not be silent
  console.error(error.cause === undefined ? String(error) : error);
}
