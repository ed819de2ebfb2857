/** What users of a feed write and get: the typed face of `createFeed`. */
import type {
  AnyChannel,
  Channel,
  LoggedName,
  Params,
  ParamsInput,
  Payload,
  PayloadInput,
  StreamName,
  TopicName,
} from '@linefeed/shared';
import type { Answerer } from './exchange.ts';
import type { CloseReason } from './connection.ts';
import type { FeedCore } from './feed.ts';
import type { FeedLimitOptions } from './limits.ts';
import type { AppendOptions, Log } from './log.ts';
import type { SSEData, TrackedYield } from './message.ts';
import type { CorsOptions } from './origin.ts';
import type { StreamContext } from './stream-run.ts';
import type { Clock } from './clock.ts';
import type { Gap } from '@linefeed/shared/wire';

type Awaitable<T> = T | PromiseLike<T>;

/** What a source may return: anything that can be iterated. */
export type StreamContent<T> =
  | AsyncIterable<SSEData<T> | TrackedYield<T>>
  | Iterable<SSEData<T> | TrackedYield<T>>;

/**
 * The source of a stream topic: called once for each subscription. What it yields is validated like a publish. What it
 * throws ends the subscription with `linefeed.error`, of the error's `status` if that is 400 to 499, else 500. The message
 * goes along only with such a status, and only from a LinefeedError or an error that says `expose: true`. A source that
 * failed is run again only where its error has `retryable: true`.
 */
export type StreamSource<C extends AnyChannel, K extends StreamName<C>, Context = unknown> = (
  context: StreamContext<Params<C, K>, Context>,
) => Awaitable<StreamContent<PayloadInput<C, K>>>;

type TopicsOf<C> = C extends Channel<infer T> ? T : never;

/**
 * A stream topic with its source. It goes into `streams` of a feed, it is an endpoint alone (wherever it is mounted,
 * with the params as query), and `createClient<typeof it>` reads its type.
 */
export interface StreamDefinition<C extends AnyChannel, K extends StreamName<C>, Context = unknown>
  extends Channel<Pick<TopicsOf<C>, K>>, Answerer {
  readonly topic: K;
  readonly source: StreamSource<C, K, Context>;
  /** Answers a request of a fetch-style runtime. */
  handle(request: Request): Promise<Response>;
}

/** Options of the endpoint that a stream alone is; in a feed, those of the feed hold. */
export type StreamEndpointOptions<C extends AnyChannel, Context> = Omit<
  BaseFeedOptions<C, Context>,
  'path' | 'log'
>;

/** Sources by the name of their topic: none may be missing. */
export type StreamSources<C extends AnyChannel, Context> = {
  readonly [K in StreamName<C>]: StreamSource<C, K, Context> | StreamDefinition<C, K, Context>;
};

/** What `authorize` decides on: one address of one connection. */
export type AuthorizeSubject<C extends AnyChannel, Context> = {
  readonly [K in TopicName<C>]: {
    readonly context: Context;
    readonly topic: K;
    readonly params: Params<C, K>;
    readonly address: string;
  };
}[TopicName<C>];

/** Set by `context`, sent with the response whatever it is. */
export interface ContextReply {
  /** Response headers; `set-cookie` may be appended several times. */
  readonly headers: Headers;
}

/** What a runtime has besides a `Request`. */
export interface ContextRuntime {
  /**
   * Where `toNodeHandler` serves the feed: Node's own request, with what middleware has put on it. Write its type there:
   * `context: (request, reply, { req }: { req: express.Request }) => …`. In fetch-style runtimes: `undefined`.
   */
  readonly req: unknown;
}

/** As a method, so that a function may take a more exact type of `req`. */
type ContextFunction<Context> = {
  context(request: Request, reply: ContextReply, runtime: ContextRuntime): Awaitable<Context>;
}['context'];

/** Fields of a context that mean something to the feed. */
export interface ContextFields {
  /** Who this is: control requests of a connection are taken from the same principal alone. Another type is refused with 500. */
  readonly principal?: string | undefined;
  /**
   * At this time the connection ends and asks its client to come back. Milliseconds since 1970, or a Date; anything else
   * is refused with 500. A context that is over when it arrives opens nothing, and `onError` is told once.
   */
  readonly expiresAt?: number | Date | undefined;
}

/** A connection as hooks and predicates see it. */
export interface ConnectionInfo<Context = unknown> {
  readonly id: string;
  readonly context: Context;
  readonly principal: string | undefined;
  /** Event names of its subscriptions. */
  readonly events: readonly string[];
}

/** Each is called in a microtask after what it tells of. It may publish, disconnect and close the feed. */
/** Called with the `AsyncLocalStorage` store of the request that opened the connection, whatever ends it. */
export interface FeedHooks<Context> {
  readonly onOpen?: ((connection: ConnectionInfo<Context>) => void) | undefined;
  readonly onClose?: ((connection: ConnectionInfo<Context>, reason: CloseReason) => void) | undefined;
  /** A subscription was accepted. */
  readonly onSubscribe?: ((connection: ConnectionInfo<Context>, address: string) => void) | undefined;
  /** A gap was announced. */
  readonly onGap?: ((connection: ConnectionInfo<Context>, gap: Gap) => void) | undefined;
  /**
   * Something failed that no caller of the feed hears of: a source, `context` or `authorize`, the log, a hook.
   * Default: `console.error`.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface BaseFeedOptions<C extends AnyChannel, Context> extends FeedLimitOptions, FeedHooks<Context> {
  /** Where the feed is mounted. Default `/events`. */
  readonly path?: string | undefined;
  /**
   * Who asks. Called once for each request that passed the origin check, before its body is read: the `Request` has
   * its method, URL and headers, and no body. What it returns goes to `authorize` and to sources. What it throws refuses
   * the request, with the error's `status` if that is 400 to 599, else 500. Its message goes out only below 500, and only
   * from a LinefeedError or an error that says `expose: true`. Of the result, `ContextFields` mean something to the feed.
   */
  readonly context?: ContextFunction<Context> | undefined;
  /**
   * Whether this context may subscribe to this address; called for each address and connection before its first
   * event, replayed ones included. Anything but `true` refuses. Without it everything in the channel is public.
   */
  readonly authorize?:
    | ((subject: AuthorizeSubject<C, Context>) => boolean | PromiseLike<boolean>)
    | undefined;
  /** Where published events are kept. Default: `memoryLog()`. */
  readonly log?: Log | undefined;
  /** Other origins whose pages may subscribe. Default: none. */
  readonly cors?: CorsOptions | undefined;
  /**
   * The hosts that this feed answers for: `app.example.com`, or `localhost:3000` for that port alone. A request for any
   * other is refused before `context` runs. Guards a server on localhost or in a private network, which has no other
   * check of who asks, against DNS rebinding. Default: any host.
   */
  readonly hosts?: readonly string[] | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** Options of `createFeed`; `streams` is required where the channel has streams. */
export type FeedOptions<C extends AnyChannel, Context> = BaseFeedOptions<C, Context> &
  ([StreamName<C>] extends [never]
    ? { readonly streams?: undefined }
    : { readonly streams: StreamSources<C, NoInfer<Context>> });

export interface PublishOptions extends AppendOptions {}

export interface Published {
  /** The cursor of the event. */
  readonly cursor: string;
  /** The idempotency key had been used; nothing was appended. */
  readonly duplicate: boolean;
}

/** `[payload]`, or `[params, payload]` where the topic has params; options behind. */
export type PublishArguments<C extends AnyChannel, K extends LoggedName<C>> = [ParamsInput<C, K>] extends [
  undefined,
]
  ? [payload: PayloadInput<C, K>, options?: PublishOptions]
  : [params: ParamsInput<C, K>, payload: PayloadInput<C, K>, options?: PublishOptions];

export interface FeedEvent<T> {
  readonly data: T;
  /** The cursor of this event: `from` this one, the next is the first to come. */
  readonly cursor: string;
  readonly address: string;
}

export interface FeedSubscribeOptions {
  /** `now`, `earliest` or a cursor. Default `now`. */
  readonly from?: string | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
  /** Events that cannot be replayed any more. Without it the iteration throws. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

/** What `subscribe` takes behind the topic: `params` where the topic has any, and they may be left out where all may. */
export type FeedSubscribeArguments<C extends AnyChannel, K extends LoggedName<C>> =
  ParamsInput<C, K> extends undefined
    ? [options?: FeedSubscribeOptions & { readonly params?: undefined }]
    : {} extends ParamsInput<C, K>
      ? [options?: FeedSubscribeOptions & { readonly params?: ParamsInput<C, K> | undefined }]
      : [options: FeedSubscribeOptions & { readonly params: ParamsInput<C, K> }];

export interface FeedStats {
  readonly connections: number;
  readonly connectionsHighWater: number;
  /** Open subscriptions by topic. */
  readonly subscriptions: Readonly<Record<string, number>>;
  /** Events that came back from the log. */
  readonly eventsIn: number;
  /** Events written, over all connections. */
  readonly eventsOut: number;
  readonly bytesOut: number;
  /** Of `eventsOut`, those that were replayed from the log. */
  readonly replayed: number;
  /** Replays that reached the tail, and the events of the largest one. */
  readonly replays: number;
  readonly largestReplay: number;
  /** Most bytes that waited for one reader at a time. */
  readonly bufferedHighWaterBytes: number;
  /** Times a reader fell behind its bound and went back to pulled replay. */
  readonly fallbacks: number;
  /** Readers cut because they took nothing. */
  readonly stalled: number;
  /** Gaps announced. */
  readonly gaps: number;
}

export interface CloseOptions {
  /** Over how long the connections are asked to come back. Milliseconds; default 0: at once. */
  readonly graceMs?: number | undefined;
}

/** The server end of a channel. */
export interface Feed<C extends AnyChannel, Context = unknown> extends Answerer {
  /** The contract it serves. */
  readonly channel: C;
  /** @internal What it is made of, for adapters. */
  readonly '~core': FeedCore;
  /**
   * Appends an event to the log, from where every subscriber of its address gets it. Calls append in call order.
   *
   * @returns the cursor of the event.
   * @throws LinefeedError (as a rejection) `invalid_payload` or `invalid_params` with the schema's issues,
   * `payload_too_large`, `address_too_long`, `idempotency_conflict`, `invalid_option` for an idempotency key, `closed`.
   */
  publish<K extends LoggedName<C>>(topic: K, ...rest: PublishArguments<C, K>): Promise<Published>;
  /**
   * The cursor of everything that subscribers have been sent so far. Give it out with the state it belongs to: read
   * the cursor first, then the state.
   */
  cursor(): string;
  /**
   * Follows a topic on the server. In a source give it the source's `signal`: a generator that waits for the next event
   * cannot be ended in any other way when its client leaves.
   *
   * @throws LinefeedError `unknown_topic`, `invalid_params`, `address_too_long` (from the iteration, where the schema is
   * asynchronous), `invalid_option`; from the iteration `hole`, where events cannot be replayed any more and there is no
   * `onGap`.
   */
  subscribe<K extends LoggedName<C>>(
    topic: K,
    ...rest: FeedSubscribeArguments<C, K>
  ): AsyncIterable<FeedEvent<Payload<C, K>>>;
  /** Answers a request of a fetch-style runtime; 404 for what is not under `path`. */
  handle(request: Request): Promise<Response>;
  /**
   * Ends every connection that the predicate names, asking it to come back (and so to be authorised anew). Requests that
   * are still decided on count: the predicate sees them as connections without events, and they open nothing. Returns how
   * many there were of both.
   */
  disconnect(predicate: (connection: ConnectionInfo<Context>) => boolean): number;
  stats(): FeedStats;
  /**
   * Replaces the sources of all streams. A run that has started keeps its source. It is for a feed that is kept on
   * `globalThis` while a dev server reloads the modules of its sources.
   *
   * @throws LinefeedError `invalid_option` for a stream without a source, and a source without a stream.
   */
  setStreams(streams: StreamSources<C, Context>): void;
  /**
   * Refuses new connections and asks those open to come back, spread over the grace; those still open get what is
   * published meanwhile. When the last has gone, it refuses publishes, and waits for those in flight. The log is closed by who opened it; the default one ends with the feed.
   */
  close(options?: CloseOptions): Promise<void>;
}
