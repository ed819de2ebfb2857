/** The real client with a feed in memory, controlled by a test. */
import {
  LinefeedError,
  type AnyChannel,
  type LoggedName,
  type ParamsInput,
  type Payload,
  type StreamName,
  type TopicName,
} from '@linefeed/shared';
import { createClient, type Client, type ClientOptions } from '../client/client.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { createTestContract } from './test-contract.ts';
import { createTestFeed } from './test-feed.ts';

/** The options of `createTestClient`. */
export interface TestClientOptions<C extends AnyChannel> extends Omit<
  ClientOptions,
  'url' | 'transport' | 'fetch' | 'clock' | 'headers' | 'credentials'
> {
  /** The topics that are streams. Required if only the type of the channel is given: types do not exist at run time. */
  readonly streams?: ReadonlyArray<StreamName<C>> | undefined;
}

/** The arguments of `emit` after the topic: params as in `subscribe`, and the data. */
export type EmitArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? [data: Payload<C, K>]
    : {} extends ParamsInput<C, K>
      ? [data: Payload<C, K>] | [params: ParamsInput<C, K>, data: Payload<C, K>]
      : [params: ParamsInput<C, K>, data: Payload<C, K>];

/** The arguments after a topic that select an address: params as in `subscribe`. */
export type TopicArguments<C extends AnyChannel, K extends TopicName<C>> =
  ParamsInput<C, K> extends undefined
    ? []
    : {} extends ParamsInput<C, K>
      ? [params?: ParamsInput<C, K>]
      : [params: ParamsInput<C, K>];

/**
 * A client and its feed. Every function resolves once the handlers it triggered have settled, except handlers that wait
 * for something else.
 */
export interface TestClient<C extends AnyChannel> {
  /** The client for the code under test. */
  readonly client: Client<C>;
  /** The client's time. Retries and lingering need `clock.advance(ms)`. */
  readonly clock: ManualClock;
  /**
   * Publishes to an address, or yields to the runs of a stream. While disconnected, logged events are stored in the
   * log.
   *
   * @throws LinefeedError (as a rejection) if the channel was given: `unknown_topic`, `invalid_params`,
   * `invalid_payload`
   */
  emit<K extends { [N in TopicName<C>]: N }[TopicName<C>]>(
    this: void,
    topic: K,
    ...rest: EmitArguments<C, K>
  ): Promise<void>;
  /**
   * Loses unseen events of a logged address. `onGap` is called with the reason `trimmed`, at once or on the next
   * connection.
   */
  gap<K extends { [N in LoggedName<C>]: N }[LoggedName<C>]>(
    this: void,
    topic: K,
    ...rest: TopicArguments<C, K>
  ): Promise<void>;
  /** Ends the runs of a stream. */
  end<K extends { [N in StreamName<C>]: N }[StreamName<C>]>(
    this: void,
    topic: K,
    ...rest: TopicArguments<C, K>
  ): Promise<void>;
  /** Cuts the connection and refuses new ones until `reconnect()`. */
  disconnect(this: void): Promise<void>;
  /** Allows connections again and reconnects without a wait. */
  reconnect(this: void): Promise<void>;
  /** Completes all work that needs no timer. Call it after `subscribe`. */
  settle(this: void): Promise<void>;
}

/**
 * Creates a client for a test from the type of a channel. Neither params nor payloads are validated.
 *
 * @example
 *   import { createTestClient } from '@linefeed/client/testing';
 *   import type { board } from './channel.ts';
 *
 *   const { client, emit } = createTestClient<typeof board>({ streams: ['report'] });
 *   client.subscribe('notice', (notice) => console.log(notice.text));
 *   await emit('notice', { text: 'hello', level: 'info' });
 *
 * @param options The options of `createClient` that do not concern the network, and `streams`
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createTestClient<C extends AnyChannel>(options?: TestClientOptions<C>): TestClient<C>;
/**
 * Creates a client for a test from the value of a channel. The feed then also checks params and payloads, applies
 * `keep: 'latest'` and refuses as a server does.
 *
 * @param channel The result of `defineChannel`
 * @param options The options of `createClient` that do not concern the network
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type or value
 */
export function createTestClient<C extends AnyChannel>(
  channel: C,
  options?: TestClientOptions<C>,
): TestClient<C>;
export function createTestClient<C extends AnyChannel>(
  first?: TestClientOptions<C> | C,
  second?: TestClientOptions<C>,
): TestClient<C> {
  const channel = first !== undefined && 'topics' in first ? first : undefined;
  const { streams = [], ...options } =
    (channel === undefined ? (first as TestClientOptions<C>) : second) ?? {};
  const clock = createManualClock();
  clock.random = () => 0.5;
  const contract = createTestContract(channel, streams);
  const feed = createTestFeed(contract);
  const all: ClientOptions = {
    ...options,
    url: 'http://linefeed.test/events',
    transport: feed.transport,
    fetch: feed.fetch,
    clock,
  };
  const client = channel === undefined ? createClient<C>(all) : createClient<C>(channel, all);
  const settle = (): Promise<void> => clock.advance(0);
  // Subscriptions of the current tick must be on the feed before anything is emitted.
  const act = async (task: () => void | Promise<void>): Promise<void> => {
    await settle();
    await task();
    await settle();
  };
  return {
    client,
    clock,
    settle,
    emit: (topic, ...rest) => {
      const [data, params] = [...rest].toReversed();
      return act(async () =>
        feed.publish(await contract.addressOf(topic, params), await contract.encode(topic, data)),
      );
    },
    gap: (topic, ...[params]) => act(async () => feed.lose(await contract.addressOf(topic, params))),
    end: (topic, ...[params]) => {
      if (!contract.isStream(topic)) {
        throw new LinefeedError(
          'invalid_option',
          `${topic} is not known as a stream: give createTestClient the channel, or streams: ['${topic}'].`,
        );
      }
      return act(async () => feed.end(await contract.addressOf(topic, params)));
    },
    disconnect: () =>
      act(() => {
        feed.online = false;
        feed.cut();
      }),
    reconnect: () =>
      act(() => {
        feed.online = true;
        client.reconnect();
      }),
  };
}
