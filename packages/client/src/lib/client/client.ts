/** The client of a channel. */
import {
  LinefeedError,
  type AnyChannel,
  type ParamsInput,
  type Payload,
  type RunName,
  type RunResult,
  type TopicName,
} from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { checkClientOptions, checkSubscription, type ClientOptions } from './options.ts';
import { stopRun, type StopArguments, type StoppedRun } from './stop.ts';
import { soon, systemClock } from '../base/clock.ts';
import { createConnection } from '../connection/connection.ts';
import type { ConnectionSnapshot } from '../connection/state.ts';
import { createBackPressure } from '../base/back-pressure.ts';
import { watchPage } from '../connection/page-lifecycle.ts';
import { createSubscriptionRegistry } from '../subscriptions/registry.ts';
import { createFrameRouter } from '../subscriptions/frame-router.ts';
import { createCommitTracker } from '../subscriptions/commit-tracker.ts';
import type { Entry } from '../subscriptions/entry.ts';
import type { Readable } from '../base/store.ts';
import { createSubscriber, later, type SubscriberOptions } from '../subscriptions/subscription.ts';
import type {
  AnyHandler,
  EventInfo,
  Gap,
  RunEventInfo,
  RunSubscriptionOptions,
  Subscription,
  SubscriptionOptions,
} from '../subscriptions/types.ts';
import { fetchTransport } from '../transport/fetch.ts';
import { toOpenPersistence } from '../subscriptions/persist.ts';

export type { ClientOptions };

/** The handler of a topic. A returned promise is awaited before the next event. */
export type Handler<C extends AnyChannel, K extends TopicName<C>> = (
  data: Payload<C, K>,
  event: EventInfoOf<C, K>,
) => unknown;

/** The second argument of the handler of a topic. */
export type EventInfoOf<C extends AnyChannel, K extends TopicName<C>> =
  K extends RunName<C> ? RunEventInfo<K, ParamsInput<C, K>> : EventInfo<K, ParamsInput<C, K>>;

/** The options of `subscribe` and `iterate` for a topic. */
export type OptionsOf<C extends AnyChannel, K extends TopicName<C>> =
  K extends RunName<C> ? RunSubscriptionOptions<RunResult<C, K>> : SubscriptionOptions;

/**
 * The arguments of `subscribe` after the topic. `params` is absent if the topic has none, optional if all are optional.
 */
export type SubscribeArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [handler: Handler<C, K>, options?: OptionsOf<C, K>]
    : {} extends ParamsInput<C, K>
      ? | [handler: Handler<C, K>, options?: OptionsOf<C, K>]
        | [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: OptionsOf<C, K>]
      : [params: ParamsInput<C, K>, handler: Handler<C, K>, options?: OptionsOf<C, K>];

/**
 * A client of a channel. Its methods may be used without it: `const { subscribe } = client`. All subscriptions share one
 * connection. It opens with the first subscription, and closes `lingerMs` after the last one.
 */
export interface Client<C extends AnyChannel> {
  /**
   * Calls a handler with each event of an address, one at a time, in log order.
   *
   * Arguments after the topic: the params, if the topic has any; the handler; the options. A promise that the handler
   * returns is awaited before the next event. The handler is never called before `subscribe` returns.
   *
   * @example
   *   const unsubscribe = client.subscribe('price', { symbol: 'ACME' }, (price) => console.log(price.bid));
   *   unsubscribe();
   *
   * @param topic A topic of the channel
   * @returns A function that unsubscribes. It also has the state of the subscription.
   * @throws LinefeedError `closed` after `close()`, `invalid_option` for arguments of a wrong type
   */
  subscribe<K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
    this: void,
    topic: K,
    ...rest: SubscribeArguments<C, K>
  ): Subscription;
  /**
   * Stops a run, from any client: leaving a run does not stop it. Needs the option `stopFromClients` of the feed.
   * Arguments after the topic: the params, or `undefined` if the topic has none; the options.
   *
   * @example
   *   const stopped = await client.stop('answer', { chat: 'a' }, { reason: 'user' });
   *   console.log(stopped?.outcome);
   *
   * @param topic A run topic of the channel
   * @returns The run and how it ended, once its end is recorded. `undefined` if no run is running and none is kept.
   * @throws LinefeedError (as a rejection) `forbidden` and other refusals of the server, `network`, `timeout` if the run
   *   has not ended in time, `closed` after `close()`; the reason of `signal` if it is aborted
   */
  stop<K extends { [N in RunName<C>]: N }[RunName<C>]>(
    this: void,
    topic: K,
    ...rest: StopArguments<C, K>
  ): Promise<StoppedRun | undefined>;
  /** The state of the connection, with listeners. */
  readonly connection: Readable<ConnectionSnapshot>;
  /**
   * The committed cursor: its event and all events that arrived before it are handled. `undefined` while the server has
   * given none.
   */
  readonly cursor: string | undefined;
  /** When the last bytes arrived, in milliseconds since 1970. `undefined` before the first bytes. */
  readonly lastEventAt: number | undefined;
  /** Connects immediately, without the current wait and also after `failed`. Does nothing without a subscription. */
  reconnect(this: void): void;
  /** Ends all subscriptions and the connection permanently. */
  close(this: void): void;
}

/**
 * Creates a client from the type of a channel. It connects at the first subscription. Payloads are not validated.
 *
 * @example
 *   import { createClient } from '@linefeed/client';
 *   import type { board } from './channel.ts';
 *
 *   const client = createClient<typeof board>({ url: '/events' });
 *   client.subscribe('notice', (notice) => console.log(notice.text));
 *
 * @param options `url` is required
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createClient<C extends AnyChannel>(options: ClientOptions): Client<C>;
/**
 * Creates a client from the value of a channel. It also validates each payload with the topic's schema. A payload that
 * does not match goes to `onInvalid` and not to the handler.
 *
 * @example
 *   import { createClient } from '@linefeed/client';
 *   import { board } from './channel.ts';
 *
 *   const client = createClient(board, { url: '/events' });
 *
 * @param channel The result of `defineChannel`. Its schemas become part of the page.
 * @param options `url` is required
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createClient<C extends AnyChannel>(channel: C, options: ClientOptions): Client<C>;
export function createClient<C extends AnyChannel>(
  first: ClientOptions | C,
  second?: ClientOptions,
): Client<C> {
  const options = second ?? (first as ClientOptions);
  checkClientOptions(options);
  const channel = second && (first as C);
  const backPressure = createBackPressure();
  const commits = createCommitTracker();
  const entries = new Set<Entry>();
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
  // Each part gets only parts above it. `attach` closes the circle: the connection calls the registry and the router.
  const persistence = toOpenPersistence(options.persist)?.({ ...shared, entries });
  commits.onCommit = persistence?.note;
  const connection = createConnection(shared);
  const registry = createSubscriptionRegistry({
    ...shared,
    entries,
    connection,
    restored: persistence?.restored,
  });
  const parts = { ...shared, registry, connection };
  const router = createFrameRouter(parts);
  connection.attach({
    ...router,
    plan: registry.takeOpening,
    onGone: registry.reset,
    onOver(error) {
      router.onOver(error);
      if (error) report(error);
    },
  });
  const unwatch = watchPage((hint) => {
    if (hint === 'hidden' || hint === 'pagehide') persistence?.flush();
    connection.hint(hint);
  });

  const checkOpen = (topic: string, what: string) => {
    if (closed) throw new LinefeedError('closed', `The client is closed: ${topic} cannot be ${what}.`);
  };

  const listen = (
    topic: string,
    params: unknown,
    handler: AnyHandler,
    options: SubscriberOptions = {},
  ): Subscription => {
    checkOpen(topic, 'subscribed');
    checkSubscription(topic, params, handler, options);
    const subscriber = createSubscriber(
      parts,
      topic,
      params,
      handler,
      options,
      channel?.topics.get(topic)?.data,
    );
    if (options.signal?.aborted) subscriber.subscription();
    else {
      try {
        registry.add(subscriber, options);
      } catch (cause) {
        // No request can carry these params or this `from`. Report a refused subscription: an exception would interrupt
        // a render.
        const error = LinefeedError.is(cause) ? cause : invalidOption(`${topic}: ${String(cause)}`);
        soon(() => subscriber.fail(error));
      }
    }
    return subscriber.subscription;
  };

  return {
    subscribe: (topic, ...rest) => {
      const [params, handler, given] = (typeof rest[0] === 'function'
        ? [undefined, ...rest]
        : rest) as unknown[] as Parameters<typeof listen> extends [string, ...infer Rest] ? Rest : never;
      return listen(topic, params, handler, given);
    },
    async stop(topic, ...[params, given]) {
      checkOpen(topic, 'stopped');
      return stopRun(shared, topic, params, given);
    },
    connection: { getSnapshot: connection.getSnapshot, subscribe: connection.subscribe },
    get cursor() {
      return commits.committed();
    },
    get lastEventAt() {
      return connection.lastEventAt();
    },
    reconnect() {
      if (entries.size > 0) connection.open('asked');
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
