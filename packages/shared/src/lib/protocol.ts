/** Names and payloads of control frames, and the defaults that both sides share. PROTOCOL.md defines their meaning. */

/** Prefix of every event type that Linefeed itself sends. A topic name cannot start with it. */
export const CONTROL_PREFIX = 'linefeed.';

export const FRAME = {
  hello: 'linefeed.hello',
  subscribed: 'linefeed.subscribed',
  caughtup: 'linefeed.caughtup',
  gap: 'linefeed.gap',
  bookmark: 'linefeed.bookmark',
  ping: 'linefeed.ping',
  error: 'linefeed.error',
  end: 'linefeed.end',
  reconnect: 'linefeed.reconnect',
} as const;

export const PROTOCOL_VERSION = 1;

/** First frame of every connection. */
export interface Hello {
  readonly protocol: number;
  /** 128 random bits: identifies this connection in control requests. */
  readonly connection: string;
  /** The server writes at least this often. 0: it sends no pings, so silence proves nothing. */
  readonly pingMs: number;
  /** After so long without bytes, a client may assume that the connection is dead. 0: never. */
  readonly timeoutMs: number;
  /** The connection ends, with `reconnect`, at 80 to 100 % of this. 0: no limit. */
  readonly maxDurationMs: number;
}

/** A subscription is accepted. */
export interface Subscribed {
  /** As requested; for a stream its event name, because the params of a stream never appear in frames. */
  readonly address: string;
  /** The event name of its frames: route by this. */
  readonly event: string;
  readonly key?: string;
  /** The number of the control request that added it. */
  readonly n?: number;
  /** Logged: delivery of this address starts after this cursor. */
  readonly cursor?: string;
  /** Logged: the end of the log at acceptance. Events up to here are replayed ones. */
  readonly tail?: string;
  /** Logged: starts before the connection's cursor. Its events have their own order until `caughtup`. */
  readonly rewind?: true;
}

/** A rewound address now shares the connection's cursor. */
export interface CaughtUp {
  /** The event name of the address. */
  readonly address: string;
}

/** The reason why events cannot be replayed. */
export type GapReason = 'trimmed' | 'epoch' | 'rollback' | 'unknown' | 'future';

/** Events of this address after `from` can no longer be replayed; delivery continues after `to`. */
export interface Gap {
  /** The event name of the address. */
  readonly address: string;
  /** The requested cursor; empty if it could not be parsed. */
  readonly from: string;
  readonly to: string;
  readonly reason: GapReason;
}

/** A subscription is refused, or its source failed. */
export interface SubscriptionError {
  /** As requested; for a stream its event name, or its topic if it has no event name. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
  readonly code: string;
  readonly message: string;
  /** Whether a later retry can help. */
  readonly retryable: boolean;
  /** Details of the failure as the source gave them. Any JSON. */
  readonly detail?: unknown;
}

/** A stream finished, or (with `n`) a subscription was removed as requested. */
export interface End {
  /** The event name of the address. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
}

/** The server ends this response; reconnect after `afterMs`. */
export interface Reconnect {
  readonly afterMs: number;
  readonly reason: 'lifetime' | 'drain' | 'busy' | 'expired' | 'disconnected';
}

/** One entry of an opening or control request. */
export interface SubscriptionEntry {
  readonly address: string;
  /**
   * Logged: `now`, `earliest` or a cursor. Stream: the `~…` part of the last id of its frames. Absent: from the
   * connection's cursor, or `now` if there is none.
   */
  readonly from?: string;
  /** Distinguishes a stream on a connection with several subscriptions. */
  readonly key?: string;
}

/** Body of `POST {path}` that opens a connection. */
export interface OpenRequest {
  readonly topics: readonly SubscriptionEntry[];
  readonly last_event_id?: string;
}

/**
 * Body of `POST {path}` that changes an open connection. The response is 202; the outcomes arrive as frames on the
 * connection.
 */
export interface ControlRequest {
  readonly connection: string;
  /** Number of the control request on this connection, counted from 1. */
  readonly n: number;
  readonly add?: readonly SubscriptionEntry[];
  /** Event names. */
  readonly remove?: readonly string[];
}

/** The body of an HTTP refusal (RFC 9457). */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly issues?: ReadonlyArray<{ readonly message: string; readonly path?: readonly string[] }>;
}

/** Response header with the code of a problem document. A HEAD response has no body for it. */
export const CODE_HEADER = 'linefeed-code';

export const MAX_ADDRESS_BYTES = 1024;
export const MAX_SUBSCRIPTIONS = 256;
export const STREAM_KEY: RegExp = /^[A-Za-z0-9_-]{1,32}$/;

/** The event name of a stream's frames. */
export function streamEventName(topic: string, key: string | undefined): string {
  return key === undefined ? topic : `${topic}~${key}`;
}
