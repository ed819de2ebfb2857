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
  run: 'linefeed.run',
  end: 'linefeed.end',
  reconnect: 'linefeed.reconnect',
} as const;

export const PROTOCOL_VERSION = 1;

/** First frame of every connection. */
export interface Hello {
  /** 1. A client that speaks another version MUST give up. */
  readonly protocol: number;
  /** 128 random bits in hex: names this connection in control requests. It is a secret. */
  readonly connection: string;
  /** The server writes something at least this often; 0: it sends no pings. */
  readonly pingMs: number;
  /** A silence of this length means that the connection is dead; 0: no limit. */
  readonly timeoutMs: number;
  /** The connection ends, with `reconnect`, at 80 to 100 % of this; 0: no limit. */
  readonly maxDurationMs: number;
}

/** A subscription is accepted. */
export interface Subscribed {
  /**
   * As requested; in the path form the canonical address. For a stream its event name, because the params of a stream
   * appear in no frame.
   */
  readonly address: string;
  /** The event name of its frames. */
  readonly event: string;
  /** As requested. */
  readonly key?: string;
  /** The control request that this answers. */
  readonly n?: number;
  /**
   * Logged: delivery of this address starts after this cursor. If the requested cursor cannot be used, this one is
   * at or before the `to` of its gap.
   */
  readonly cursor?: string;
  /** Logged: the newest position of the log at this moment. Events up to here are replayed ones. */
  readonly tail?: string;
  /** Logged: the address starts before the connection's cursor. Its events have their own order until `caughtup`. */
  readonly rewind?: true;
  /** Run: the start of its delivery. Streams and logged topics have none. */
  readonly run?: RunStart;
}

/** Where the delivery of the runs of an address starts. */
export interface RunStart {
  /** Delivery starts after this entry. A client that is cut before the first id resumes from it. */
  readonly cursor?: string;
  /** The newest recorded entry. Entries up to it are replayed ones. Absent: nothing is replayed. */
  readonly tail?: string;
}

/** The replay of an address is over: a rewound one now shares the connection's cursor, a run is live. */
export interface CaughtUp {
  /** Event name. */
  readonly address: string;
}

/**
 * The reason why events cannot be replayed.
 *
 * - `trimmed`: the log no longer holds the oldest of the missing events
 * - `epoch`: the cursor is of another log
 * - `rollback`: the log lost its newest events
 * - `unknown`: the cursor cannot be read
 * - `future`: the cursor is ahead of the log
 */
export type GapReason = 'trimmed' | 'epoch' | 'rollback' | 'unknown' | 'future';

/** Events of this address after `from` are lost; delivery continues after `to`. */
export interface Gap {
  /** Event name. */
  readonly address: string;
  /** The cursor that was requested, or that delivery had reached; empty if it could not be read. */
  readonly from: string;
  /** The cursor from which delivery continues. */
  readonly to: string;
  /** Why the events are lost. */
  readonly reason: GapReason;
}

/** A subscription is refused, or its source failed. The connection no longer has it. */
export interface SubscriptionError {
  /** As requested; for a stream its event name, or its topic if it has no event name. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
  readonly code: string;
  readonly message: string;
  /** Whether a later request can succeed. */
  readonly retryable: boolean;
  /** Details that the source itself gave of its failure. Any JSON. */
  readonly detail?: unknown;
}

/** How a run ended. `gone`: its record is deleted, and this reader has not seen its end. */
export type RunOutcome = 'done' | 'stopped' | 'failed' | 'lost' | 'gone';

/** Delivery enters a run, or a new attempt continues it. */
export interface RunBegin {
  /** Event name. */
  readonly address: string;
  /** The id of the run. */
  readonly run: string;
  /** Counts the producers of this run, from 1. */
  readonly attempt: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/**
 * A stream finished; or, with `n`, control request `n` was answered; or, with `run`, a run has ended and its
 * subscription waits for the next run.
 */
export interface End {
  /** Event name. */
  readonly address: string;
  readonly key?: string;
  readonly n?: number;
  /** Run: its id. */
  readonly run?: string;
  /** Run: how it ended. */
  readonly outcome?: RunOutcome;
  /** Run: the value that its source returned. Any JSON. */
  readonly result?: unknown;
  /** Run: why it failed. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Run: why it was stopped or lost. */
  readonly reason?: string;
}

/**
 * Why a server asks a client to reconnect.
 *
 * - `lifetime`: the connection is old
 * - `drain`: the server stops
 * - `busy`: the server has no room, or cannot read the log now
 * - `expired`: the context of the connection has expired
 * - `disconnected`: the application requested it
 */
export type ReconnectReason = 'lifetime' | 'drain' | 'busy' | 'expired' | 'disconnected';

/** The server ends this response; the client reconnects after `afterMs`. */
export interface Reconnect {
  readonly afterMs: number;
  readonly reason: ReconnectReason;
}

/** One entry of an opening or control request. */
export interface SubscriptionEntry {
  /** Topic and params as one string. */
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
  /** The id of the connection, from its `hello`. */
  readonly connection: string;
  /** Number of the control request on this connection, counted from 1. */
  readonly n: number;
  /** Entries to subscribe. */
  readonly add?: readonly SubscriptionEntry[];
  /** Event names. */
  readonly remove?: readonly string[];
}

/** Body of `POST {path}` that stops a run. The response is sent after the end of the run is recorded. */
export interface StopRequest {
  readonly stop: {
    /** The address of the run. */
    readonly address: string;
    /** Stops this run only. Absent: the run that is running. */
    readonly run?: string;
    /** For the readers of the run. */
    readonly reason?: string;
  };
}

/** The response to a stop request. */
export interface StopResponse {
  /** The run that has ended. `null`: no run was running. */
  readonly run: string | null;
  readonly outcome?: RunOutcome;
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
