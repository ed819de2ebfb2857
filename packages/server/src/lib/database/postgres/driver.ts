/** The interface between the log and the client library of the application. */

/** A row. The log selects only texts, so that no type parser or transformation of a client changes a value. */
export type Row = Readonly<Record<string, string | null>>;

/** Parameters of a statement, as texts. */
export type Values = ReadonlyArray<string | null>;

/** One connection, or anything that runs statements. */
export interface Session {
  /** Runs one statement. If the signal aborts, it rejects; if the library can, it ends the connection too. */
  query(text: string, values: Values, signal?: AbortSignal): Promise<readonly Row[]>;
}

/** The connection of the tail. */
export interface TailSession extends Session {
  /** Calls `onHint` for each notification, and after each gap in which some may have been lost. */
  listen(channel: string, onHint: () => void): Promise<void>;
  /** The process id that the server announced, and the one that it has: they differ if a pooler is in between. */
  processIds(): Promise<readonly [announced: string, actual: string] | undefined>;
  /** Ends the connection, even if the server does not answer. */
  destroy(): void;
}

/** The client library over one client of the application. */
export interface Driver extends Session {
  readonly library: 'pg' | 'postgres';
  /** Runs several statements without parameters as one transaction. */
  script(text: string): Promise<void>;
  /** Whether it prepares statements under names, which a pooler in transaction mode does not know. */
  readonly prepares: boolean;
  openTail(signal: AbortSignal): Promise<TailSession>;
  /** Ends what the driver has opened or attached, not the client. */
  close(): void;
}
