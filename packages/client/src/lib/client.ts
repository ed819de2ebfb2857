/** The client end of a channel. */
import {
  LinefeedError,
  type AnyChannel,
  type ParamsInput,
  type Payload,
  type TopicName,
} from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { checkClientOptions, checkSubscription, type ClientOptions } from './client-options.ts';
import { systemClock } from './clock.ts';
import { createConnection } from './connection.ts';
import type { ConnectionSnapshot } from './connection-state.ts';
import { createGate } from './gate.ts';
import { iterate } from './iterate.ts';
import { watchPage } from './page.ts';
import { createRoster } from './roster.ts';
import { createRouting } from './routing.ts';
import { createSettlement } from './settlement.ts';
import type { Readable } from './store.ts';
import {
  createDelivery,
  later,
  type AnyHandler,
  type DeliveryOptions,
  type EventInfo,
  type Gap,
  type Subscription,
  type SubscriptionOptions,
} from './subscription.ts';
import { fetchTransport } from './transports/fetch.ts';

export type { ClientOptions };

type Handler<C extends AnyChannel, K extends TopicName<C>> = (
  payload: Payload<C, K>,
  event: EventInfo<K, ParamsInput<C, K>>,
) => unknown;

/** What `subscribe` takes behind the topic: params where the topic has any, and they may be left out where all may. */
export type SubscribeArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [handler: Handler<C, K>, options?: SubscriptionOptions]
    : {} extends ParamsInput<C, K>
      ? | [handler: Handler<C, K>, options?: SubscriptionOptions]
        | [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: SubscriptionOptions]
      : [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: SubscriptionOptions];

/** What `iterate` takes behind the topic. */
export type IterateArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: SubscriptionOptions & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: SubscriptionOptions & { readonly params?: ParamsInput<C, K> }]
      : [options: SubscriptionOptions & { readonly params: ParamsInput<C, K> }];

export interface Client<C extends AnyChannel> {
  /**
   * Calls `handler` with each event of an address, one at a time; a promise that it returns is waited for.
   *
   * @throws LinefeedError `closed` after `close()`
   */
  readonly subscribe: <K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
    topic: K,
    ...rest: SubscribeArguments<C, K>
  ) => Subscription;
  /** The same as an async iterable of payloads: ends with the stream, throws what ends it, unsubscribes when left. */
  readonly iterate: <K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
    topic: K,
    ...rest: IterateArguments<C, K>
  ) => AsyncGenerator<Payload<C, K>, void, void>;
  /** The state of the connection. */
  readonly connection: Readable<ConnectionSnapshot>;
  /** The newest cursor such that it and all that arrived before it are handled. */
  readonly cursor: string | undefined;
  /** When anything was last received, in milliseconds since 1970. */
  readonly lastEventAt: number | undefined;
  /** Connects now, also after `failed`. */
  readonly reconnect: () => void;
  /** Ends every subscription and the connection, for good. */
  readonly close: () => void;
}

/**
 * Makes a client for a channel. Only the type of the channel is needed; its value turns run-time validation on. It
 * connects when something is subscribed.
 *
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createClient<C extends AnyChannel>(
  ...[first, second]: [options: ClientOptions] | [channel: C, options: ClientOptions]
): Client<C> {
  const options = second ?? (first as ClientOptions);
  checkClientOptions(options);
  const channel = second && (first as C);
  const gate = createGate();
  const settlement = createSettlement(() => persistence?.note());
  const report = later(options.onError ?? print);
  let warned = false;
  let closed = false;

  const warn = ({ address, reason }: Gap) => {
    if (warned) return;
    warned = true;
    // oxlint-disable-next-line no-console -- nobody listens, and a gap must not be silent
    console.warn(
      `Events of ${address} may be missing: ${GAP_REASONS[reason]}. Give onGap to fetch what they changed.`,
    );
  };

  const shared = {
    ...options,
    onGap: options.onGap ?? warn,
    url: String(options.url),
    clock: options.clock ?? systemClock,
    transport: options.transport ?? fetchTransport(),
    gate,
    settlement,
    report,
    reportInvalid: options.onInvalid ? later(options.onInvalid) : report,
  };
  const connection = createConnection(shared, {
    plan: () => roster.takeOpening(),
    onControl: (name, body, id) => routing.onControl(name, body, id),
    onEvent: (event, data, id) => routing.onEvent(event, data, id),
    onGone: () => roster.reset(),
    onOver(error) {
      routing.onOver(error);
      if (error) report(error);
    },
  });
  const roster = createRoster({
    ...shared,
    connection,
    restored: (address) => persistence?.restored(address),
  });
  const routing = createRouting({ ...shared, roster, connection });
  const persistence = options.persist?.({
    ...shared,
    committed: settlement.committed,
    places: roster.entries,
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
      () => roster.remove(delivery),
      () => roster.resume(delivery),
    );
    if (given.signal?.aborted) delivery.subscription();
    else {
      try {
        roster.add(delivery, given);
      } catch (cause) {
        // No request can carry these params or this `from`: a refused subscription, and no error in the middle of a render.
        const error = LinefeedError.is(cause) ? cause : invalidOption(`from: ${String(cause)}`);
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
      return settlement.committed();
    },
    get lastEventAt() {
      return connection.lastEventAt();
    },
    reconnect() {
      if (roster.entries.size > 0) connection.open('asked');
    },
    close() {
      closed = true;
      unwatch();
      persistence?.close();
      roster.close();
      connection.stop('close', 'asked');
    },
  };
}

/** What happened, for a developer who gave no `onGap`. */
const GAP_REASONS: Record<Gap['reason'], string> = {
  trimmed: 'the log no longer holds them',
  epoch: 'the log is a new one, as after a restart with memoryLog()',
  rollback: 'the log lost its newest events',
  unknown: 'from is no cursor',
  future: 'the cursor is ahead of the log',
};

/** Without a stack where there is no cause: a refusal of the server is made in this package. */
function print(error: LinefeedError): void {
  // oxlint-disable-next-line no-console -- nobody listens, and an error must not be silent
  console.error(error.cause === undefined ? String(error) : error);
}
