/** What the rows of the conformance tables are made of. */
import type { ConnectionState } from '@linefeed/client';
import type { EngineName } from '../drivers/engine.ts';

/** Where it reads. */
export type Place = EngineName | 'node';

/** How a row's bytes are cut: as the row says, not at all, or behind each byte (a long row into 64 pieces). */
export type Chunking = 'as given' | 'whole' | 'bytes';

/** A frame as it was seen: event, data, and the last event id. */
export type Frame = readonly [event: string, data: string, lastEventId: string];

/** One row of the parsing table. */
export interface ParsingRow {
  readonly name: string;
  /** The clause that rules. */
  readonly clause: string;
  /** The body; where the cuts matter, in the chunks that matter. */
  readonly body: ReadonlyArray<string | Uint8Array>;
  readonly contentType?: string;
  /** The response stays open behind the last byte: everything is due before it ends. */
  readonly open?: boolean;
  readonly frames: readonly Frame[];
  /** Reconnection times that were taken over; EventSource shows them to nobody. */
  readonly retryMs?: readonly number[];
  /** What the EventSource of an engine makes of it instead, on which chunkings. */
  readonly deviates?: Partial<Record<EngineName, ParsingDeviation>>;
}

interface ParsingDeviation {
  readonly why: string;
  readonly frames: readonly Frame[];
  /** Default: all. */
  readonly chunkings?: readonly Chunking[];
}

/** What the server does with one request that opens a stream. */
export interface Answer {
  /** Default: 200. */
  readonly status?: number;
  /** Default: `text/event-stream`; `null`: no type at all. */
  readonly contentType?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: ReadonlyArray<string | Uint8Array>;
  /**
   * What happens behind the body. `end`: a clean end; `truncate`: the TCP connection is closed in order, without the
   * last chunk; `reset`: it is reset; `hold`: nothing; `mute`: not even the head is sent; `ping`: a ping every 100 ms;
   * `comment`: a comment every 100 ms. Default: `hold`.
   */
  readonly after?: 'end' | 'truncate' | 'reset' | 'hold' | 'mute' | 'ping' | 'comment';
  /** Given again for so long before the next answer's turn comes: an engine may repeat a request by itself. */
  readonly forMs?: number;
}

/** What the client is told, and until when the run goes on: all that is given must hold. */
export interface ClientScript {
  readonly connectTimeoutMs?: number;
  readonly retry?: { readonly baseMs?: number; readonly floorMs?: number; readonly capMs?: number };
  readonly until: {
    readonly payloads?: number;
    readonly state?: ConnectionState;
    readonly connections?: number;
    /** At least so long. */
    readonly ms?: number;
  };
  /** Close the client when this state is reached, and watch for this long. */
  readonly closeOn?: { readonly state: ConnectionState; readonly watchMs: number };
  /** From another origin than the page's. */
  readonly crossOrigin?: boolean;
}

/** What a run of the client came to. */
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
  /** What the n-th request gets; the last answer is given again and again. */
  readonly answers: readonly Answer[];
  readonly client: ClientScript;
  /** Readers that it is about; default: both of our transports. */
  readonly readers?: ReadonlyArray<'fetch' | 'EventSource'>;
  readonly expected: Partial<ClientOutcome> & {
    /** Cursors that were asked for, request by request; `undefined`: none. */
    readonly cursors?: ReadonlyArray<string | undefined>;
    /** Milliseconds between the first two requests, at least and at most. */
    readonly pauseMs?: readonly [atLeast: number, atMost: number];
    /** Requests at most. */
    readonly atMost?: number;
    /** Headers of the first request; `undefined`: not sent. */
    readonly headers?: Readonly<Record<string, string | undefined>>;
    /** Every method that was used. */
    readonly methods?: Partial<Record<'fetch' | 'EventSource', readonly string[]>>;
    /** The server saw the client go. */
    readonly left?: boolean;
  };
}

/** One row of the table of the plain EventSource: what Linefeed's server may rely on where none of our code runs. */
export interface PlainRow {
  readonly name: string;
  readonly clause: string;
  readonly answers: readonly Answer[];
  /** Behind the first response nobody listens for so long: connections are refused. */
  readonly refusedMs?: number;
  /** How long the page watches. */
  readonly watchMs: number;
  readonly expected: PlainOutcome;
  readonly deviates?: Partial<Record<EngineName, { readonly why: string; readonly outcome: PlainOutcome }>>;
}

export interface PlainOutcome {
  readonly data?: readonly string[];
  readonly readyState?: number;
  /** `Last-Event-ID` of each request as UTF-8; `undefined`: none. */
  readonly lastEventIds?: ReadonlyArray<string | undefined>;
  /** The URL of each request: the one that was given, or the one that a redirect named. */
  readonly paths?: readonly string[];
}
