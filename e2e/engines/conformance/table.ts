/** Types of the rows of the conformance tables. */
import type { ConnectionState } from '@linefeed/client';
import type { EngineName } from '../drivers/engine.ts';

/** The reader's environment. */
export type Place = EngineName | 'node';

/** Chunks of a row's bytes: as given in the row, one chunk, or one chunk for each byte (a long row in 64 pieces). */
export type Chunking = 'as given' | 'whole' | 'bytes';

/** An observed frame: event, data, and the last event id. */
export type Frame = readonly [event: string, data: string, lastEventId: string];

/** One row of the parsing table. */
export interface ParsingRow {
  readonly name: string;
  /** The clause of the standard. */
  readonly clause: string;
  /** The body, in its chunks if the cuts matter. */
  readonly body: ReadonlyArray<string | Uint8Array>;
  readonly contentType?: string;
  /** The response stays open after the last byte: all frames are due before it ends. */
  readonly open?: boolean;
  readonly frames: readonly Frame[];
  /** Accepted reconnection times; EventSource does not expose them. */
  readonly retryMs?: readonly number[];
  /** The different frames of an engine's EventSource, and the chunkings that cause them. */
  readonly deviates?: Partial<Record<EngineName, ParsingDeviation>>;
}

interface ParsingDeviation {
  readonly why: string;
  readonly frames: readonly Frame[];
  /** Default: all. */
  readonly chunkings?: readonly Chunking[];
}

/** The server's answer to one request that opens a stream. */
export interface Answer {
  /** Default: 200. */
  readonly status?: number;
  /** Default: `text/event-stream`; `null`: no type at all. */
  readonly contentType?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReadonlyArray<string | Uint8Array>;
  /**
   * The action after the body. `end`: a clean end; `truncate`: the TCP connection is closed in order, without the last
   * chunk; `reset`: it is reset; `hold`: nothing; `mute`: not even the head is sent; `ping`: a ping every 100 ms;
   * `comment`: a comment every 100 ms. Default: `hold`.
   */
  readonly after?: 'end' | 'truncate' | 'reset' | 'hold' | 'mute' | 'ping' | 'comment';
  /** Repeat this answer for this time before the next one is used: an engine may repeat a request by itself. */
  readonly forMs?: number;
}

/** The client's options, and the end of the run: all given conditions must hold. */
export interface ClientScript {
  readonly connectTimeoutMs?: number;
  readonly retry?: { readonly baseMs?: number; readonly floorMs?: number; readonly capMs?: number };
  readonly until: {
    readonly payloads?: number;
    readonly state?: ConnectionState;
    readonly connections?: number;
    /** At least this long. */
    readonly ms?: number;
  };
  /** Close the client when this state is reached, and watch for this long. */
  readonly closeOn?: { readonly state: ConnectionState; readonly watchMs: number };
  /** From another origin than the page's. */
  readonly crossOrigin?: boolean;
}

/** The observed outcome of a run of the client. */
export interface ClientOutcome {
  readonly payloads: readonly unknown[];
  readonly state: ConnectionState;
  /** `code`, or `code status`. */
  readonly error: string | undefined;
}

/** One row of the connection table. */
export interface ConnectionRow {
  readonly name: string;
  readonly clause: string;
  /** The answers to the requests in their order; the last one is repeated. */
  readonly answers: readonly Answer[];
  readonly client: ClientScript;
  /** Readers for which the row applies; default: both of our transports. */
  readonly readers?: ReadonlyArray<'fetch' | 'EventSource'>;
  readonly expected: Partial<ClientOutcome> & {
    /** The requested cursors, request by request; `undefined`: none. */
    readonly cursors?: ReadonlyArray<string | undefined>;
    /** Milliseconds between the first two requests, at least and at most. */
    readonly pauseMs?: readonly [atLeast: number, atMost: number];
    /** Maximum number of requests. */
    readonly atMost?: number;
    /** Headers of the first request; `undefined`: not sent. */
    readonly headers?: Readonly<Record<string, string | undefined>>;
    /** Every method that was used. */
    readonly methods?: Partial<Record<'fetch' | 'EventSource', readonly string[]>>;
    /** The server observed that the client left. */
    readonly left?: boolean;
  };
}

/**
 * One row of the table of the plain EventSource: behaviour on which Linefeed's server may rely without any of our code.
 */
export interface PlainRow {
  readonly name: string;
  readonly clause: string;
  readonly answers: readonly Answer[];
  /** After the first response, connections are refused for this time. */
  readonly refusedMs?: number;
  /** Duration of the observation. */
  readonly watchMs: number;
  readonly expected: PlainOutcome;
  readonly deviates?: Partial<Record<EngineName, { readonly why: string; readonly outcome: PlainOutcome }>>;
}

export interface PlainOutcome {
  readonly data?: readonly string[];
  readonly readyState?: number;
  /** `Last-Event-ID` of each request as UTF-8; `undefined`: none. */
  readonly lastEventIds?: ReadonlyArray<string | undefined>;
  /** The URL of each request: the given one, or the target of a redirect. */
  readonly paths?: readonly string[];
}
