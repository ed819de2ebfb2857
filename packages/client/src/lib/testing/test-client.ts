/** The real client with a feed in memory, controlled by a test. */
import {
  LinefeedError,
  type AnyChannel,
  type LoggedName,
  type ParamsInput,
  type Payload,
  type RunName,
  type RunResult,
  type StreamName,
  type TopicName,
} from '@linefeed/shared';
import { createClient, type Client, type ClientOptions } from '../client/client.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { createTestContract } from './test-contract.ts';
import { createTestFeed } from './test-feed.ts';
import type { TestRunEnd as RecordedEnd } from './test-runs.ts';

/** The options of `createTestClient`. */
export interface TestClientOptions<C extends AnyChannel> extends Omit<
  ClientOptions,
  'url' | 'transport' | 'fetch' | 'clock' | 'headers' | 'credentials'
> {
  /** The topics that are streams. Required if only the type of the channel is given: types do not exist at run time. */
  readonly streams?: ReadonlyArray<StreamName<C>> | undefined;
  /** The topics that are runs. Required if only the type of the channel is given, too. */
  readonly runs?: ReadonlyArray<RunName<C>> | undefined;
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

/** How a test ends a run. */
export type TestRunEnd<Result> =
  | { readonly outcome: 'done'; readonly result: Result }
  | { readonly outcome: 'failed'; readonly error?: { readonly code: string; readonly message: string } }
  | { readonly outcome: 'stopped' | 'lost' | 'gone'; readonly reason?: string }
  | ([Result] extends [undefined] ? { readonly outcome: 'done' } : never);

/** The arguments of `end` after the topic: params as in `subscribe`, and for a run how it ends. */
export type EndArguments<C extends AnyChannel, K extends TopicName<C>> =
  K extends RunName<C>
    ? ParamsInput<C, K> extends undefined
      ? [end: TestRunEnd<RunResult<C, K>>]
      : {} extends ParamsInput<C, K>
        ? [end: TestRunEnd<RunResult<C, K>>] | [params: ParamsInput<C, K>, end: TestRunEnd<RunResult<C, K>>]
        : [params: ParamsInput<C, K>, end: TestRunEnd<RunResult<C, K>>]
    : TopicArguments<C, K>;

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
   * Publishes to an address, yields to the sources of a stream, or records an event of the running run. While
   * disconnected, logged events and those of runs are stored.
   *
   * @throws LinefeedError (as a rejection) if the channel was given: `unknown_topic`, `invalid_params`,
   * `invalid_payload`; `invalid_option` if no run is running
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
  /**
   * Starts a run. If one is running, a new attempt continues it.
   *
   * @returns The id of the run
   */
  start<K extends { [N in RunName<C>]: N }[RunName<C>]>(
    this: void,
    topic: K,
    ...rest: TopicArguments<C, K>
  ): Promise<string>;
  /** Ends the sources of a stream, or the running run. `client.stop` ends it as well, as `stopped`. */
  end<K extends { [N in StreamName<C> | RunName<C>]: N }[StreamName<C> | RunName<C>]>(
    this: void,
    topic: K,
    ...rest: EndArguments<C, K>
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
  const {
    streams = [],
    runs = [],
    ...options
  } = (channel === undefined ? (first as TestClientOptions<C>) : second) ?? {};
  const clock = createManualClock();
  clock.random = () => 0.5;
  const contract = createTestContract(channel, streams, runs);
  const feed = createTestFeed(contract, clock.now);
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
  const toRecordedEnd = async (topic: string, end: RecordedEnd): Promise<RecordedEnd> => {
    if (end.outcome === 'failed') return { error: FAILURE, ...end };
    if (end.outcome !== 'done' || end.result === undefined) return end;
    return { ...end, result: JSON.parse(await contract.encode(topic, end.result, 'result')) as unknown };
  };
  return {
    client,
    clock,
    settle,
    emit: (topic, ...rest) => {
      const [data, params] = [...rest].toReversed();
      return act(async () => {
        const address = await contract.addressOf(topic, params);
        const json = await contract.encode(topic, data);
        if (!contract.isRun(topic)) feed.publish(address, json);
        else if (!feed.runs.emit(address, json)) throw notRunning(address);
      });
    },
    gap: (topic, ...[params]) => act(async () => feed.lose(await contract.addressOf(topic, params))),
    async start(topic, ...[params]) {
      if (!contract.isRun(topic)) throw unknownKind(topic, 'run');
      let run = '';
      await act(async () => {
        run = feed.runs.start(await contract.addressOf(topic, params));
      });
      return run;
    },
    end: (topic, ...rest) => {
      if (contract.isRun(topic)) {
        const [end, params] = [...rest].toReversed() as [RecordedEnd, unknown];
        return act(async () => {
          const address = await contract.addressOf(topic, params);
          if (!feed.runs.end(address, await toRecordedEnd(topic, end))) throw notRunning(address);
        });
      }
      if (!contract.isStream(topic)) throw unknownKind(topic, 'stream');
      return act(async () => feed.end(await contract.addressOf(topic, rest[0])));
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

/** The error that a server sends for a source that has thrown. */
const FAILURE = { code: 'source_failed', message: 'The source failed.' };

function notRunning(address: string): LinefeedError {
  return new LinefeedError('invalid_option', `No run of ${address} is running: call start() first.`);
}

function unknownKind(topic: string, kind: 'run' | 'stream'): LinefeedError {
  const message = `${topic} is not known as a ${kind}: give createTestClient the channel, or ${kind}s: ['${topic}'].`;
  return new LinefeedError('invalid_option', message);
}
