/** The public types of the options of a feed: sources, context, hooks. */
import type {
  AnyChannel,
  Channel,
  Params,
  PayloadInput,
  RunName,
  StreamName,
  TopicName,
  TopicsOf,
} from '@linefeed/shared';
import type { RequestTarget } from '../http/http.ts';
import type { CloseReason } from '../connection/types.ts';
import type { FeedLimitOptions } from '../base/default-options.ts';
import type { Log } from '../log/log.ts';
import type { RunStore } from '../runs/run-store.ts';
import type { SSEData, TrackedYield } from '../stream/message.ts';
import type { CorsOptions } from '../http/origin.ts';
import type { StreamContext } from '../stream/run-stream.ts';
import type { Clock } from '../base/clock.ts';
import type { Awaitable, Gap } from '@linefeed/shared/wire';

/** The return value of a source: anything that can be iterated. */
export type StreamContent<T> =
  | AsyncIterable<SSEData<T> | TrackedYield<T>>
  | Iterable<SSEData<T> | TrackedYield<T>>;

/**
 * The source of a stream topic, called once for each subscription. Its values are validated like published payloads. An
 * error that it throws ends the subscription with `linefeed.error`. The status is the error's own `status` if that is
 * 400 to 499, else 500. The message is sent only with such a status of its own, and only from a LinefeedError or with
 * `expose: true`. A source that failed runs again only if its error has `retryable: true`.
 */
export type StreamSource<C extends AnyChannel, K extends StreamName<C>, Context = unknown> = (
  context: StreamContext<Params<C, K>, Context>,
) => Awaitable<StreamContent<PayloadInput<C, K>>>;

/**
 * A stream topic with its source. It can be used in `streams` of a feed. Alone it is an endpoint at any path, with the
 * params in the query. `createClient` takes its type in place of a channel's.
 */
export interface StreamDefinition<C extends AnyChannel, K extends StreamName<C>, Context = unknown>
  extends Channel<Pick<TopicsOf<C>, K>>, RequestTarget {
  /** The name of the topic. */
  readonly topic: K;
  /** The source as given. */
  readonly source: StreamSource<C, K, Context>;
  /** Answers a request of a fetch-style runtime. The params are in its query. */
  handle(this: void, request: Request): Promise<Response>;
}

/** Options of a stream that is used as an endpoint of its own. In a feed, the feed's options apply instead. */
export type StreamEndpointOptions<C extends AnyChannel, Context> = Omit<
  BaseFeedOptions<C, Context>,
  'path' | 'log' | 'runs' | 'stopFromClients'
>;

/** The sources by topic name. Every stream topic needs one. */
export type StreamSources<C extends AnyChannel, Context> = {
  readonly [K in StreamName<C>]: StreamSource<C, K, Context> | StreamDefinition<C, K, Context>;
};

/** The argument of `authorize`: one address that one caller requests. Its type is a union over the topics. */
export type AuthorizeSubject<C extends AnyChannel, Context> = {
  readonly [K in TopicName<C>]: {
    /** The result of the feed's `context`. */
    readonly context: Context;
    readonly topic: K;
    /** The params as its schema returns them. */
    readonly params: Params<C, K>;
    /** Topic and params as one string. */
    readonly address: string;
    /** The action that the caller requests. Only runs can be stopped, if `stopFromClients` is set. */
    readonly action: K extends RunName<C> ? 'subscribe' | 'stop' : 'subscribe';
  };
}[TopicName<C>];

/** Headers set by `context`. They are sent with every response, refusals included. */
export interface ContextReply {
  /** Response headers; `set-cookie` may be appended several times. */
  readonly headers: Headers;
}

/** Objects that a runtime provides besides a `Request`. */
export interface ContextRuntime {
  /**
   * If `toNodeHandler` serves the feed: Node's own request, with the properties added by middleware. Declare its type
   * there: `context: (request, reply, { req }: { req: express.Request }) => …`. In fetch-style runtimes: `undefined`.
   */
  readonly req: unknown;
}

/** The type of the option `context`. A method, so that a function may declare a more exact type of `req`. */
export type ContextFunction<Context> = {
  context(request: Request, reply: ContextReply, runtime: ContextRuntime): Awaitable<Context>;
}['context'];

/** Fields of a context that the feed reads. */
export interface ContextFields {
  /**
   * The user's identity. Control requests of a connection are accepted only from the same principal. A value that is
   * not a string is refused with 500.
   */
  readonly principal?: string | undefined;
  /**
   * The connection ends at this time, and its client is told to reconnect. Milliseconds since 1970, or a Date; any
   * other value is refused with 500. A context that has expired on arrival opens no connection, and `onError` is called
   * once.
   */
  readonly expiresAt?: number | Date | undefined;
}

/** A connection, for hooks and for the predicate of `disconnect`. */
export interface ConnectionInfo<Context = unknown> {
  /** Unique for each connection. `hello` sends it to the client. */
  readonly id: string;
  /** The result of the feed's `context`. */
  readonly context: Context;
  /** `principal` of the context, if it has one. */
  readonly principal: string | undefined;
  /** Event names of its subscriptions. */
  readonly events: readonly string[];
}

/**
 * The hooks of a feed. Each hook is called in a microtask after the change that it reports. It may publish, disconnect and close the feed.
 * It runs with the `AsyncLocalStorage` store of the request that opened the connection, whatever ends the connection.
 */
export interface FeedHooks<Context> {
  /** Called when a connection was opened. */
  readonly onOpen?: ((connection: ConnectionInfo<Context>) => void) | undefined;
  /** Called when a connection ended, with the reason. */
  readonly onClose?: ((connection: ConnectionInfo<Context>, reason: CloseReason) => void) | undefined;
  /** Called when a subscription was accepted. */
  readonly onSubscribe?: ((connection: ConnectionInfo<Context>, address: string) => void) | undefined;
  /** Called when a gap was announced. */
  readonly onGap?: ((connection: ConnectionInfo<Context>, gap: Gap) => void) | undefined;
  /**
   * Called for a failure that no caller of the feed gets: of a source, `context`, `authorize`, the log or a hook.
   *
   * @default `console.error`
   */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The options of `createFeed` without `streams`. */
export interface BaseFeedOptions<C extends AnyChannel, Context> extends FeedLimitOptions, FeedHooks<Context> {
  /**
   * The path of the feed.
   *
   * @default `/events`
   */
  readonly path?: string | undefined;
  /**
   * Identifies the caller. Called once for each request that passed the origin check, before its body is read. The
   * `Request` has its method, URL and headers, and no body. The result is passed to `authorize` and to sources; the
   * feed itself reads its `ContextFields`.
   *
   * An error that it throws refuses the request. The status is the error's own `status` if that is 400 to 599, else
   * 500. The message is sent only with a status below 500, and only from a LinefeedError or an error with `expose:
   * true`.
   *
   * @default the context is `undefined`
   */
  readonly context?: ContextFunction<Context> | undefined;
  /**
   * Whether this context may subscribe to this address, or stop its run. Called for each address and connection before
   * its first event, replayed ones included, and for each request to stop a run. Any result except `true` refuses. A promise must settle within `requestTimeoutMs`.
   *
   * @default everything in the channel is public
   */
  readonly authorize?:
    | ((subject: AuthorizeSubject<C, Context>) => boolean | PromiseLike<boolean>)
    | undefined;
  /**
   * Where published events are stored.
   *
   * @default `memoryLog()`
   */
  readonly log?: Log | undefined;
  /**
   * Where runs are recorded.
   *
   * @default `memoryRuns()`
   */
  readonly runs?: RunStore | undefined;
  /**
   * Other origins whose pages may subscribe.
   *
   * @default none
   */
  readonly cors?: CorsOptions | undefined;
  /**
   * The hosts that this feed answers for: `app.example.com`, or `localhost:3000` for that port only. A request for
   * another host is refused before `context` runs. This protects a server on localhost or in a private network, without
   * other authentication, from DNS rebinding.
   *
   * @default any host
   */
  readonly hosts?: readonly string[] | undefined;
  /**
   * Whether clients may stop runs. `authorize` decides on each request, with `action: 'stop'`.
   *
   * @default false
   */
  readonly stopFromClients?: boolean | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** Options of `createFeed`. `streams` is required if the channel has streams. */
export type FeedOptions<C extends AnyChannel, Context> = BaseFeedOptions<C, Context> &
  ([StreamName<C>] extends [never]
    ? { readonly streams?: undefined }
    : { readonly streams: StreamSources<C, NoInfer<Context>> });
