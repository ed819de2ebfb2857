/** One consumer of the stream: every message from a sequence on, in order, until it is silent for too long. */
import type { Clock, Timer } from '../../base/clock.ts';
import type { ApiError, JetStream, NatsMessage } from './connection.ts';

/** A message as the consumer brings it. */
export interface Delivery {
  readonly sequence: number;
  readonly data: Uint8Array;
  /** Time of the server when it stored the message, in milliseconds since 1970. */
  readonly storedAt: number;
}

export interface ConsumerOptions {
  readonly jetstream: JetStream;
  readonly clock: Clock;
  readonly stream: string;
  /** First sequence to deliver. */
  readonly from: number;
  /** Interval of the server's heartbeats, in milliseconds. */
  readonly heartbeatMs: number;
  onMessage(delivery: Delivery): void;
  /** It has missed three heartbeats, or messages. It is closed, and delivers nothing more. */
  onLost(): void;
}

const NANOSECONDS = 1_000_000;
const STATUS = 100;
/** The server removes a consumer without a listener after this time. */
const INACTIVE_MS = 5_000;

/**
 * A push consumer without acknowledgements, in the memory of one server. That server may go away, and the consumer with
 * it, without any notice. So it is never repaired: a lost one is replaced.
 */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #inbox: string;
  readonly #subscription: { unsubscribe(): void };
  #name: string | undefined;
  #next: number;
  #silence: Timer | undefined;
  #closed = false;

  /** @throws the error of the connection or of JetStream */
  static async open(options: ConsumerOptions): Promise<Consumer> {
    const consumer = new Consumer(options);
    try {
      await consumer.#create();
    } catch (error) {
      consumer.close();
      throw error;
    }
    return consumer;
  }

  private constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#next = options.from;
    const { jetstream, clock } = options;
    this.#inbox = `${inboxPrefix(jetstream)}.linefeed${randomDigits(clock)}${randomDigits(clock)}`;
    this.#subscription = jetstream.connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null || error === undefined) this.#take(message);
      },
    });
    this.#heard();
  }

  async #create(): Promise<void> {
    const { jetstream, stream, from, heartbeatMs } = this.#options;
    const { name, error } = await jetstream.request<{ name: string }>(`CONSUMER.CREATE.${stream}`, {
      stream_name: stream,
      config: {
        deliver_subject: this.#inbox,
        deliver_policy: 'by_start_sequence',
        opt_start_seq: Math.max(1, from),
        ack_policy: 'none',
        max_deliver: 1,
        replay_policy: 'instant',
        idle_heartbeat: Math.round(heartbeatMs * NANOSECONDS),
        flow_control: true,
        inactive_threshold: INACTIVE_MS * NANOSECONDS,
        mem_storage: true,
        num_replicas: 1,
      },
    });
    if (error !== undefined) throw new ConsumerRefused(error);
    this.#name = name;
  }

  #take(message: NatsMessage): void {
    if (this.#closed) return;
    const { connection } = this.#options.jetstream;
    this.#heard();
    const { headers, reply } = message;
    if (message.data.length === 0 && headers?.code === STATUS) {
      // Flow control: without this answer the server stops sending.
      const stalled = reply !== undefined && reply !== '' ? reply : headers.get('Nats-Consumer-Stalled');
      if (stalled !== '' && !connection.isClosed()) connection.publish(stalled);
      const last = headers.get('Nats-Last-Stream');
      if (last !== '' && Number(last) >= this.#next) this.#lose();
      return;
    }
    const place = parseReply(reply);
    if (place === undefined || place.sequence < this.#next) return;
    this.#next = place.sequence + 1;
    this.#options.onMessage({ ...place, data: message.data });
  }

  #heard(): void {
    const { clock, heartbeatMs } = this.#options;
    this.#silence?.clear();
    this.#silence = clock.after(3.5 * heartbeatMs, () => this.#lose());
  }

  #lose(): void {
    if (this.#closed) return;
    this.close();
    this.#options.onLost();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#silence?.clear();
    const { jetstream, stream } = this.#options;
    if (jetstream.connection.isClosed()) return;
    this.#subscription.unsubscribe();
    // The server removes it by itself after a while: an error here changes nothing.
    if (this.#name !== undefined)
      jetstream.connection.publish(`$JS.API.CONSUMER.DELETE.${stream}.${this.#name}`);
  }
}

/** JetStream does not make the consumer. */
export class ConsumerRefused extends Error {
  readonly api: ApiError;

  constructor(api: ApiError) {
    super(`JetStream refuses a consumer: ${api.description ?? api.code}`);
    this.api = api;
  }
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>…` */
function parseReply(reply: string | undefined): { sequence: number; storedAt: number } | undefined {
  const tokens = reply?.split('.') ?? [];
  if (tokens.length < 9) return undefined;
  const start = tokens.length >= 11 ? 7 : 5;
  const sequence = Number(tokens[start]);
  const storedAt = Number(tokens[start + 2]) / NANOSECONDS;
  return sequence > 0 ? { sequence, storedAt } : undefined;
}

/** Users with few permissions have a prefix of their own, given to `connect()`. */
function inboxPrefix({ connection }: JetStream): string {
  const { options } = connection as { options?: { inboxPrefix?: unknown } };
  return typeof options?.inboxPrefix === 'string' ? options.inboxPrefix : '_INBOX';
}

function randomDigits(clock: Clock): string {
  return Math.floor(clock.random() * 36 ** 8).toString(36);
}
