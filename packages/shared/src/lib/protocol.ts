/** The names and payloads of control frames, and the defaults both ends agree on. PROTOCOL.md says what they mean. */

/** Every event type that Linefeed sends of its own accord starts like this; no topic may. */
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
  /** 128 random bits: names this connection in control requests. */
  readonly connection: string;
  /** The server breaks its silence at least this often; 0: it sends no pings and silence proves nothing. */
  readonly pingMs: number;
  /** A client that has heard nothing for so long may take the connection for dead; 0: never. */
  readonly timeoutMs: number;
  /** The connection ends, with `reconnect`, at 80 to 100 % of this; 0: no limit. */
  readonly maxDurationMs: number;
}

/** A subscription is accepted. */
export interface Subscribed {
  /** As asked; of a stream its event name, because the params of a stream never appear in frames. */
  readonly address: string;
  /** The event name its frames bear: route by this. */
  readonly event: string;
  readonly key?: string;
  /** The control request that asked. */
  readonly n?: number;
  /** Logged: the cursor behind which delivery of this address starts. */
  readonly cursor?: string;
  /** Logged: where the log stood when this was accepted; events up to here are replayed ones. */
  readonly tail?: string;
  /** Logged: starts before the connection's cursor, in an order of its own until `caughtup`. */
  readonly rewind?: true;
}

/** A rewound address now shares the connection's cursor. */
export interface CaughtUp {
  /** The event name of the address. */
  readonly address: string;
}

/** Why events cannot be replayed. */
export type GapReason = 'trimmed' | 'epoch' | 'rollback' | 'unknown' | 'future';

/** Events of this address were published behind `from` and can no longer be replayed; delivery goes on behind `to`. */
export interface Gap {
  /** The event name of the address. */
  readonly address: string;
  /** The cursor that was asked for; empty where it could not be read. */
  readonly from: string;
  readonly to: string;
  readonly reason: GapReason;
}

/** A subscription is refused, or its source failed. */
export interface SubscriptionError {
  /** As asked; of a stream its event name, or its topic where it got none. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
  readonly code: string;
  readonly message: string;
  /** Whether asking again later can help. */
  readonly retryable: boolean;
  /** What a source with words of its own for its failures says of this one. Any JSON. */
  readonly detail?: unknown;
}

/** A stream finished, or (with `n`) a subscription was removed as asked. */
export interface End {
  /** The event name of the address. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
}

/** Come back after `afterMs`; the server ends this response. */
export interface Reconnect {
  readonly afterMs: number;
  readonly reason: 'lifetime' | 'drain' | 'busy' | 'expired' | 'disconnected';
}

/** One entry of an opening or control request. */
export interface SubscriptionEntry {
  readonly address: string;
  /**
   * Logged: `now`, `earliest` or a cursor. Stream: the `~…` part of the last id its frames bore.
   * Absent: from the connection's cursor, or `now` where there is none.
   */
  readonly from?: string;
  /** Names a stream on a connection with several subscriptions. */
  readonly key?: string;
}

/** Body of `POST {path}` that opens a connection. */
export interface OpenRequest {
  readonly topics: readonly SubscriptionEntry[];
  readonly last_event_id?: string;
}

/** Body of `POST {path}` that changes an open connection; the answer is 202 and the outcomes come in-band. */
export interface ControlRequest {
  readonly connection: string;
  /** Counts the control requests of this connection from 1. */
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

/** The code of a problem document as a header: the answer to HEAD has no body. */
export const CODE_HEADER = 'linefeed-code';

export const MAX_ADDRESS_BYTES = 1024;
export const MAX_SUBSCRIPTIONS = 256;
export const STREAM_KEY: RegExp = /^[A-Za-z0-9_-]{1,32}$/;

/** The event name of a stream's frames. */
export function streamEventName(topic: string, key: string | undefined): string {
  return key === undefined ? topic : `${topic}~${key}`;
}
