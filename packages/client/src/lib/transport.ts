/** The seam between a connection and what carries it. */
import type { LinefeedError } from '@linefeed/shared';
import type { ControlRequest, SubscriptionEntry } from '@linefeed/shared/wire';

/** How requests are made, whatever they are for. */
export interface RequestOptions {
  /** Where the feed is, with its own query if it needs one; relative to the page, or absolute. */
  readonly url: string;
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined;
  readonly credentials?: RequestCredentials | undefined;
  readonly fetch?: typeof fetch | undefined;
}

/** What to open. */
export interface Opening extends RequestOptions {
  readonly entries: readonly SubscriptionEntry[];
  /** The connection's cursor, where it has one. */
  readonly cursor: string | undefined;
  /** The transport cannot ask for more than the first `count` entries: the rest is added once the connection is open. */
  readonly openOnly?: ((count: number) => void) | undefined;
}

/** How a response ended. Exactly one of `error`, `over` and `full` is set. */
export interface Ending {
  readonly error?: LinefeedError | undefined;
  /** `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** 204: the server says that there is nothing to come back for. */
  readonly over?: boolean | undefined;
  /** Closed by the transport, which cannot stop reading otherwise. */
  readonly full?: boolean | undefined;
}

/** What a transport tells. It calls nothing of this before it has returned; what it calls after `onEnd` or `close` is ignored. */
export interface TransportSink {
  /** Bytes arrived: a sign of life. */
  onLife(): void;
  /** One whole frame. `id` is the last event id: the frame's own, or that of an earlier one. */
  onFrame(event: string, data: string, id: string): void;
  onRetry(retryMs: number): void;
  onEnd(ending: Ending): void;
  /** Set while nothing more is to be read; settles when reading may go on. */
  full(): Promise<void> | undefined;
}

export interface TransportConnection {
  close(): void;
  /** A sign of life is a whole frame: one in transit looks like silence. */
  readonly framesOnly?: boolean;
  /** The event name of a subscription, before its first event: for transports that hear only what they listen for. */
  listen?(event: string): void;
  /** Sends a control request and gives the status of its answer: for transports that do not end at the server itself. */
  control?(request: ControlRequest): Promise<number>;
}

/** Opens one response. Made by `fetchTransport()` or `eventSourceTransport()`. */
export type Transport = (opening: Opening, sink: TransportSink) => TransportConnection;
