/** The public types of a feed: the typed interface of `createFeed`. */
import type { AnyChannel, LoggedName, ParamsInput, Payload, PayloadInput, RunName } from '@linefeed/shared';
import type { RequestTarget } from '../http/http.ts';
import type { FeedEvent } from '../delivery/feed-subscription.ts';
import type { AppendOptions } from '../log/log.ts';
import type { Gap } from '@linefeed/shared/wire';
import type { RunStarted, RunStopped } from '../runs/runs.ts';
import type { StreamSources, ConnectionInfo } from './option-types.ts';
import type { RunInfo, RunListArguments, RunStartArguments, RunStopArguments } from './run-types.ts';

/** The key of a feed's core. No entry exports it, so only this package can make a feed. */
export const CORE: unique symbol = Symbol.for('linefeed.core');

/** The options of `publish`. */
export interface PublishOptions extends AppendOptions {}

/** The options of `publish` in a transaction of the application. */
export interface TransactionPublishOptions extends PublishOptions {
  /**
   * A transaction of the database of the log, which must be a `postgresLog`: a client of `pg` after its `BEGIN`, the
   * `sql` of `sql.begin` of `postgres`, or a function `(text, values) => Promise` that runs one statement in it.
   */
  readonly transaction: object;
}

/** The result of `publish`. */
export interface Published {
  /** The cursor of the event. */
  readonly cursor: string;
  /** The idempotency key was already used, and no event was appended. */
  readonly duplicate: boolean;
}

/** The arguments of `publish` after the topic: the params, if the topic has any; the payload; the options. */
export type PublishArguments<C extends AnyChannel, K extends LoggedName<C>> = [ParamsInput<C, K>] extends [
  undefined,
]
  ? [payload: PayloadInput<C, K>, options?: PublishOptions]
  : [params: ParamsInput<C, K>, payload: PayloadInput<C, K>, options?: PublishOptions];

/** The arguments of `publish` in a transaction, after the topic. */
export type TransactionPublishArguments<C extends AnyChannel, K extends LoggedName<C>> = [
  ParamsInput<C, K>,
] extends [undefined]
  ? [payload: PayloadInput<C, K>, options: TransactionPublishOptions]
  : [params: ParamsInput<C, K>, payload: PayloadInput<C, K>, options: TransactionPublishOptions];

/** The options of `subscribe` of a feed. */
export interface FeedSubscribeOptions {
  /**
   * Start position: `now`, `earliest` or a cursor. Events after it are delivered.
   *
   * @default `now`
   */
  readonly from?: string | undefined;
  /** Aborting it ends the iteration. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called for events that can no longer be replayed.
   *
   * @default the iteration throws LinefeedError `hole`
   */
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

/**
 * The arguments of `subscribe` after the topic. `params` is present if the topic has params, and optional if all of
 * them are.
 */
export type FeedSubscribeArguments<C extends AnyChannel, K extends LoggedName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: FeedSubscribeOptions & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: FeedSubscribeOptions & { readonly params?: ParamsInput<C, K> | undefined }]
      : [options: FeedSubscribeOptions & { readonly params: ParamsInput<C, K> }];

/** Counters of a feed since it was created, and its present connections. */
export interface FeedStats {
  /** Open connections. */
  readonly connections: number;
  /** Most connections that were open at a time. */
  readonly connectionsHighWater: number;
  /** Open subscriptions by topic. */
  readonly subscriptions: Readonly<Record<string, number>>;
  /** Events that arrived from the log's tail. */
  readonly eventsIn: number;
  /** Events written, summed over all connections. */
  readonly eventsOut: number;
  /** Bytes written, summed over all connections. */
  readonly bytesOut: number;
  /** The part of `eventsOut` that was replayed from the log. */
  readonly replayed: number;
  /** Replays that reached the tail. */
  readonly replays: number;
  /** Events of the largest replay. */
  readonly largestReplay: number;
  /** Most bytes that waited for one reader at a time. */
  readonly bufferedHighWaterBytes: number;
  /** Times a reader exceeded its buffer bound and returned to replay. */
  readonly fallbacks: number;
  /** Connections cut because the reader took no bytes. */
  readonly stalled: number;
  /** Number of gaps announced. */
  readonly gaps: number;
  /** Whether the log can be read now. `false` while the server of a log is away; connections then stay open. */
  readonly logAvailable: boolean;
}

/** The options of `close` of a feed. */
export interface CloseOptions {
  /**
   * Period over which the connections are told to reconnect, and in which the sources of runs may end. Milliseconds.
   *
   * @default 0: all at once
   */
  readonly graceMs?: number | undefined;
}

/** The server end of a channel. */
export interface Feed<C extends AnyChannel, Context = unknown> extends RequestTarget {
  /** The contract that it serves. */
  readonly channel: C;
  /** `unknown` keeps the types of the core out of the published declarations. */
  readonly [CORE]: unknown;
  /**
   * Publishes an event in a transaction of the application. Subscribers get it after the transaction has committed, and
   * never if it is rolled back. Events of one transaction keep the order of their calls. Events of different
   * transactions have the order of the commits; commits at the same time may come in either order.
   *
   * @example
   *   await transaction.query('BEGIN');
   *   await feed.publish('price', { symbol: 'ACME' }, { bid: 12 }, { transaction });
   *   await transaction.query('COMMIT');
   *
   * @param topic A logged topic of the channel
   * @returns nothing, when the event is recorded in the transaction: it gets its cursor after the commit.
   * @throws LinefeedError (as a rejection) as the other form, and `invalid_option` for a log that is not a
   * `postgresLog`. A key that is used for another payload does not reject: that event is dropped after the commit.
   */
  publish<K extends LoggedName<C>>(topic: K, ...rest: TransactionPublishArguments<C, K>): Promise<undefined>;
  /**
   * Appends an event to the log, which delivers it to every subscriber of its address. Appends take effect in call
   * order. Arguments after the topic: the params, if the topic has any; the payload; the options.
   *
   * @example
   *   await feed.publish('notice', { text: 'hello', level: 'info' });
   *   await feed.publish('price', { symbol: 'ACME' }, { bid: 12 }, { idempotencyKey: 'trade-7' });
   *
   * @param topic A logged topic of the channel
   * @returns the cursor of the event, and whether it was a duplicate.
   * @throws LinefeedError (as a rejection) `invalid_payload` or `invalid_params` with the schema's issues,
   * `payload_too_large`, `address_too_long`, `idempotency_conflict`, `invalid_option` for an idempotency key, `closed`.
   */
  publish<K extends LoggedName<C>>(topic: K, ...rest: PublishArguments<C, K>): Promise<Published>;
  /**
   * The cursor of everything that subscribers have been sent so far. Return it together with the state it belongs to:
   * read the cursor first, then the state.
   */
  cursor(): string;
  /**
   * Follows a topic on the server. In a source, pass the source's `signal`. A generator that waits for the next event
   * can only be ended by it when its client leaves.
   *
   * @example
   *   for await (const { data, cursor } of feed.subscribe('price', { params: { symbol: 'ACME' } })) {
   *     console.log(cursor, data.bid);
   *   }
   *
   * @param topic A logged topic of the channel
   * @returns Events from the start position on, until the feed is closed
   * @throws LinefeedError `unknown_topic`, `invalid_params`, `address_too_long` (from the iteration if the schema is
   * asynchronous), `invalid_option`; from the iteration `hole`, if events can no longer be replayed and there is no
   * `onGap`.
   */
  subscribe<K extends LoggedName<C>>(
    topic: K,
    ...rest: FeedSubscribeArguments<C, K>
  ): AsyncIterable<FeedEvent<Payload<C, K>>>;
  /**
   * Starts a run: its source runs once, in this process, and goes on when its readers leave. Its events are recorded, and
   * every subscription of its address gets them. Arguments after the topic: the params, if the topic has any; the
   * source; the options.
   *
   * @example
   *   const { run, joined } = await feed.start(
   *     'answer',
   *     { chat: '7' },
   *     async function* ({ signal, stored }) {
   *       for (let step = stored.length; step < 3 && !signal.aborted; step += 1) yield { text: `${step}` };
   *       return { tokens: 3 };
   *     },
   *     { key: 'request-1', whenBusy: 'replace' },
   *   );
   *
   * @param topic A topic of kind `run`
   * @returns the run, when its start is recorded. It does not wait for the end.
   * @throws LinefeedError (as a rejection) `run_busy`, `idempotency_conflict`, `too_many_runs`, `invalid_params`,
   * `address_too_long`, `invalid_option`, `closed`; `runs_failed` if the store cannot be reached: a start with the same
   * key may be repeated.
   */
  start<K extends RunName<C>>(topic: K, ...rest: RunStartArguments<C, K>): Promise<RunStarted>;
  /**
   * Stops a run of any process: the `signal` of the source aborts. A run that has ended stays as it
   * is.
   *
   * @example
   *   await feed.stop('answer', { chat: '7' }, { reason: 'user' });
   *
   * @param topic A topic of kind `run`
   * @returns the run and its outcome, when the end is recorded. `undefined`: there is no such run.
   * @throws LinefeedError (as a rejection) `timeout` if the run has not ended within its lease and 5 s, `runs_failed`,
   * `invalid_params`, `address_too_long`, `invalid_option`
   */
  stop<K extends RunName<C>>(topic: K, ...rest: RunStopArguments<C, K>): Promise<RunStopped | undefined>;
  /**
   * Lists the runs that are running or kept, the oldest of each address first.
   *
   * @example
   *   const running = (await feed.runs('answer')).filter(({ status }) => status === 'running');
   *
   * @param topic A topic of kind `run`
   * @throws LinefeedError (as a rejection) `runs_failed`, `invalid_params`, `address_too_long`
   */
  runs<K extends RunName<C>>(
    topic: K,
    ...rest: RunListArguments<C, K>
  ): Promise<ReadonlyArray<RunInfo<C, K>>>;
  /**
   * Answers a request of a fetch-style runtime. A path that is not under `path` gets 404.
   *
   * @throws LinefeedError (as a rejection) `invalid_option` for anything but a `Request`
   */
  handle(this: void, request: Request): Promise<Response>;
  /**
   * Ends every connection that the predicate matches and tells its client to reconnect, which authorises it anew.
   * Requests that are not decided yet count too. The predicate gets them as connections without events, and a match
   * opens no connection.
   *
   * @example
   *   feed.disconnect(({ principal }) => principal === 'user-7');
   *
   * @param predicate Called for each connection and each undecided request
   * @returns The number of matches
   */
  disconnect(predicate: (connection: ConnectionInfo<Context>) => boolean): number;
  /** Reads the counters of the feed. */
  stats(): FeedStats;
  /**
   * Replaces the sources of all streams. A run that has started keeps its source. Use it for a feed that is kept on
   * `globalThis` while a dev server reloads the modules of its sources.
   *
   * @param streams A source for each stream of the channel
   * @throws LinefeedError `invalid_option` for a stream without a source, and for a source without a stream.
   */
  setStreams(streams: StreamSources<C, Context>): void;
  /**
   * Refuses new connections and tells the open ones to reconnect, spread over the grace period. Connections that are
   * still open receive the events published meanwhile. Sources of runs may end in the grace period. After it their
   * signals abort: a run with attempts left can be continued by another process, any other is `lost` with the reason
   * `shutdown`. After the last connection has closed, the feed refuses publishes and waits for those in flight. The log
   * and the store of runs must be closed by the code that opened them; the default ones close with the feed.
   *
   * @param options The grace period
   * @returns A promise that resolves when all connections are closed
   */
  close(options?: CloseOptions): Promise<void>;
}
