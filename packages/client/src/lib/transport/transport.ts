/** The interface between a connection and its transport. */
import type { LinefeedError } from '@linefeed/shared';
import type { ControlRequest, SubscriptionEntry } from '@linefeed/shared/wire';

/** Options of every request. */
export interface RequestOptions {
  /** URL of the feed, relative to the page or absolute. It may have its own query. */
  readonly url: string;
  /**
   * Headers, or a function that returns them.
   *
   * @default none
   */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined;
  /**
   * Whether cookies are sent, as in `fetch`. `EventSource` sends them to other origins only with `include`.
   *
   * @default `same-origin`
   */
  readonly credentials?: RequestCredentials | undefined;
  /**
   * The `fetch` of all requests.
   *
   * @default the global `fetch`
   */
  readonly fetch?: typeof fetch | undefined;
}

/** The subscriptions to request. */
export interface Opening extends RequestOptions {
  /** The requested subscriptions, in the form of the wire. */
  readonly entries: readonly SubscriptionEntry[];
  /** The connection's cursor, if it has one. */
  readonly cursor: string | undefined;
  /**
   * Called if the request contains only the first `count` entries. The others are added once the connection is open.
   */
  readonly openOnly?: ((count: number) => void) | undefined;
}

/** How a response ended. Exactly one of `error`, `over` and `full` is set. */
export interface Ending {
  /** Why the response ended too early, or why it was refused. */
  readonly error?: LinefeedError | undefined;
  /** `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** 204: the server has nothing more to send. */
  readonly over?: boolean | undefined;
  /** The transport closed the response because of back-pressure: it cannot pause reading. */
  readonly full?: boolean | undefined;
}

/**
 * Receives what a transport reads. A transport calls it only after it has returned. Calls after `onEnd` or `close` are
 * ignored.
 */
export interface TransportSink {
  /** Bytes arrived: the connection is alive. */
  onLife(): void;
  /** One complete frame. `id` is the last event id: the frame's own, or that of an earlier frame. */
  onFrame(event: string, data: string, id: string): void;
  /** The server sent a `retry:` field, in milliseconds. */
  onRetry(retryMs: number): void;
  /** The response is over. Called once. */
  onEnd(ending: Ending): void;
  /** Back-pressure: set while reading must pause; resolves when it can continue. */
  full(): Promise<void> | undefined;
}

/** One open response. */
export interface TransportConnection {
  /** Aborts the request. `onEnd` is then ignored. */
  close(): void;
  /** Only a complete frame shows that the connection is alive. A frame in transit looks like silence. */
  readonly framesOnly?: boolean;
  /**
   * Announces the event name of a subscription before its first event, for transports that need a listener per name.
   */
  listen?(event: string): void;
  /**
   * Sends a control request and resolves with the status of its response. For transports without a direct connection to
   * the server.
   */
  control?(request: ControlRequest): Promise<number>;
}

/** Opens one response. Created by `fetchTransport()` or `eventSourceTransport()`. */
export type Transport = (opening: Opening, sink: TransportSink) => TransportConnection;
