/** The part of a NATS connection that the log uses, and JetStream's API over it. */
import { LinefeedError } from '@linefeed/shared/wire';

/** The headers of a message. */
export interface NatsHeaders {
  readonly code: number;
  readonly description: string;
  get(name: string): string;
}

/** A received message. */
export interface NatsMessage {
  readonly data: Uint8Array;
  readonly reply?: string | undefined;
  readonly headers?: NatsHeaders | undefined;
}

/**
 * The part of a `NatsConnection` that `natsLog` uses. `connect()` of `@nats-io/transport-node` 3 gives one.
 */
export interface NatsConnection {
  readonly info?:
    | {
        readonly version: string;
        readonly headers?: boolean | undefined;
        readonly max_payload: number;
      }
    | undefined;
  publish(subject: string, payload?: Uint8Array): void;
  request(
    subject: string,
    payload: Uint8Array,
    // `never`: the library's headers have a class of their own, and only their encoded form is used.
    options: { timeout: number; headers?: never },
  ): Promise<NatsMessage>;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): { unsubscribe(): void };
  status(): AsyncIterable<{ readonly type: string }>;
  isClosed(): boolean;
  flush(): Promise<void>;
  /** Connects anew at once. */
  reconnect?(): Promise<void>;
}

/** An error in an answer of JetStream. */
export interface ApiError {
  readonly code: number;
  readonly err_code?: number | undefined;
  readonly description?: string | undefined;
}

/** Numbers of JetStream's errors. */
export const API_ERROR = {
  streamNotFound: 10059,
  messageNotFound: 10037,
  wrongLastSequence: 10071,
  wrongStream: 10060,
  maximumMessages: 10077,
  messageTooLarge: 10054,
  storageExceeded: 10047,
  insufficientResources: 10023,
  streamNameInUse: 10058,
  subjectsOverlap: 10065,
  noPeers: 10005,
  replicasNotSupported: 10074,
} as const;

export interface StreamConfig {
  readonly name: string;
  readonly subjects?: readonly string[] | undefined;
  readonly description?: string | undefined;
  readonly storage: string;
  readonly discard: string;
  readonly retention: string;
  readonly num_replicas: number;
  readonly max_msgs: number;
  readonly max_bytes: number;
  /** Nanoseconds. */
  readonly max_age: number;
  readonly max_msgs_per_subject?: number | undefined;
  readonly max_msg_size?: number | undefined;
  readonly deny_purge?: boolean | undefined;
  readonly sealed?: boolean | undefined;
  readonly mirror?: unknown;
  readonly sources?: unknown;
}

export interface StreamInfo {
  readonly created: string;
  readonly config: StreamConfig;
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
  /** Absent without a cluster. */
  readonly cluster?: { readonly leader?: string | undefined; readonly name?: string | undefined } | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const EMPTY = new Uint8Array(0);

/** JetStream's API by requests. */
export class JetStream {
  readonly connection: NatsConnection;
  /** Longest wait for one answer, in milliseconds. */
  readonly requestMs: number;
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(connection: NatsConnection, requestMs: number) {
    this.connection = connection;
    this.requestMs = requestMs;
  }

  /** Ends the requests that wait for an answer: after the loss of the connection it does not come. */
  interrupt(error: Error): void {
    for (const reject of [...this.#waiting]) reject(error);
  }

  /** The answer of JetStream. One with an error has it in `error`. */
  async request<T extends object>(subject: string, body?: object): Promise<T & { error?: ApiError }> {
    const payload = body === undefined ? EMPTY : encoder.encode(JSON.stringify(body));
    return await this.#send(`$JS.API.${subject}`, payload, undefined);
  }

  /** Stores a message if the newest one of the stream has this sequence. */
  async publish(
    subject: string,
    payload: Uint8Array,
    { stream, sequence }: { stream: string; sequence: number },
  ): Promise<{ seq: number; error?: ApiError }> {
    const text = `NATS/1.0\r\nNats-Expected-Stream: ${stream}\r\nNats-Expected-Last-Sequence: ${sequence}\r\n\r\n`;
    return await this.#send(subject, payload, { encode: () => encoder.encode(text) } as never);
  }

  async #send<T>(subject: string, payload: Uint8Array, headers: never | undefined): Promise<T> {
    const { connection } = this;
    if (connection.isClosed()) throw closedConnection();
    const timeout = Math.max(1, Math.round(this.requestMs));
    const options = headers === undefined ? { timeout } : { timeout, headers };
    const { data } = await new Promise<NatsMessage>((resolve, reject) => {
      this.#waiting.add(reject);
      connection
        .request(subject, payload, options)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
    return JSON.parse(decoder.decode(data)) as T;
  }
}

export function closedConnection(): LinefeedError {
  return new LinefeedError(
    'log_failed',
    'The NATS connection of a natsLog is closed; keep it open until the log is closed, and open both again to continue.',
  );
}
