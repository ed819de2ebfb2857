/** A network between the handles of a remote log and a server in memory. Tests break its connections. */
import type { Position } from '@linefeed/shared/wire';
import type { Clock } from '../src/lib/base/clock.ts';
import type { ReadQuery } from '../src/lib/log/log.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
  PageAnswer,
  RemoteStore,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../src/lib/log/remote/remote-store.ts';

/** Default time of a message in one direction. A fault meets calls on their way. */
const LATENCY_MS = 15;

/** One connection. Its calls share its fate. */
export class Connection {
  /** No byte passes, and neither end learns of it. */
  isHalfOpen = false;
  /** The next answer is lost with the connection. */
  losesAnswer = false;
  readonly broken: Promise<never>;
  #break!: (error: Error) => void;
  isBroken = false;

  constructor() {
    this.broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.broken.catch(() => undefined);
  }

  reset(): void {
    this.isBroken = true;
    this.#break(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }
}

export class MemoryNetwork {
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #connections = new Set<Connection>();
  #resumed: Promise<void> = Promise.resolve();

  constructor(clock: Clock, latencyMs: number = LATENCY_MS) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  /** A store whose calls go over this network: the tail on one connection, other calls on another one. */
  over(store: RemoteStore): RemoteStore {
    return new NetworkStore(store, this);
  }

  connect(): Connection {
    const connection = new Connection();
    this.#connections.add(connection);
    return connection;
  }

  resetConnections(): void {
    for (const connection of this.#connections) this.reset(connection);
  }

  halfOpen(): void {
    for (const connection of this.#connections) connection.isHalfOpen = true;
  }

  loseAnswers(): void {
    for (const connection of this.#connections) connection.losesAnswer = true;
  }

  /** The server performs and answers nothing until the result is called. */
  pause(): () => void {
    let resume!: () => void;
    this.#resumed = new Promise((resolve) => {
      resume = resolve;
    });
    return resume;
  }

  reset(connection: Connection): void {
    this.#connections.delete(connection);
    if (!connection.isHalfOpen) connection.reset();
  }

  async send<T>(connection: Connection, perform: () => Promise<T>): Promise<T> {
    return await Promise.race([connection.broken, this.#send(connection, perform)]);
  }

  async #send<T>(connection: Connection, perform: () => Promise<T>): Promise<T> {
    await this.#pass(connection);
    const answer = await perform();
    if (connection.losesAnswer) this.reset(connection);
    await this.#pass(connection);
    return answer;
  }

  /** Way of one message. A message is lost with its connection. */
  async #pass(connection: Connection): Promise<void> {
    await new Promise<void>((resolve) => void this.#clock.after(this.#latencyMs, resolve));
    await this.#resumed;
    if (connection.isHalfOpen || connection.isBroken) await new Promise(() => undefined);
  }
}

class NetworkStore implements RemoteStore {
  readonly #store: RemoteStore;
  readonly #network: MemoryNetwork;
  #main: Connection;
  #tail: Connection;

  constructor(store: RemoteStore, network: MemoryNetwork) {
    this.#store = store;
    this.#network = network;
    this.#main = network.connect();
    this.#tail = network.connect();
  }

  get name(): string {
    return this.#store.name;
  }

  append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    return this.#call(context, () => this.#store.append(batch, context));
  }

  read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    return this.#call(context, () => this.#store.read(query, context));
  }

  head(context: CallContext): Promise<ServerHead> {
    return this.#call(context, () => this.#store.head(context));
  }

  contains(position: Position, context: CallContext): Promise<boolean> {
    return this.#call(context, () => this.#store.contains(position, context));
  }

  async follow(query: TailQuery, context: CallContext): Promise<TailAnswer> {
    if (this.#tail.isBroken) this.#tail = this.#network.connect();
    return await this.#network.send(this.#tail, () => this.#store.follow(query, context));
  }

  async #call<T>(context: CallContext, perform: () => Promise<T>): Promise<T> {
    if (this.#main.isBroken) this.#main = this.#network.connect();
    const connection = this.#main;
    // A client that closes a connection without an answer connects again.
    context.signal.addEventListener('abort', () => {
      if (connection === this.#main) this.#main = this.#network.connect();
    });
    return await this.#network.send(connection, perform);
  }

  reconnect(): void {
    this.#network.reset(this.#tail);
    this.#tail = this.#network.connect();
    this.#store.reconnect();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
