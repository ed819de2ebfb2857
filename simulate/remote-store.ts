/** The connection of one node to the server of the log: calls and answers are late, lost or cut. */
import type { Position } from '@linefeed/shared/wire';
import type { ReadQuery } from '../packages/server/src/lib/log/log.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
  PageAnswer,
  RemoteStore,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../packages/server/src/lib/log/remote/remote-store.ts';
import type { Chance, SimClock } from './clock.ts';

export interface SimStoreOptions {
  readonly store: RemoteStore;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly isCalm: () => boolean;
  readonly onClose: () => void;
}

/** Share of the messages that meet a fault. */
const FAULTS = 0.02;

export class SimStore implements RemoteStore {
  readonly name = 'the log of the world';
  readonly #options: SimStoreOptions;
  /** Calls in flight share the connection. */
  #connection = Promise.withResolvers<never>();
  /** Longest time of a message. Some nodes are far from the server. */
  readonly #latencyMs: number;

  constructor(options: SimStoreOptions) {
    this.#options = options;
    this.#latencyMs = options.chance.pick([0, 0, 10, 150]);
    this.#connect();
  }

  #connect(): void {
    this.#connection = Promise.withResolvers<never>();
    this.#connection.promise.catch(() => undefined);
  }

  /** Every call in flight fails. The server may have performed it, or may perform it later. */
  cut(): void {
    this.#connection.reject(reset());
    this.#connect();
  }

  append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    return this.#call(() => this.#options.store.append(batch, context));
  }

  read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    return this.#call(() => this.#options.store.read(query, context));
  }

  head(context: CallContext): Promise<ServerHead> {
    return this.#call(() => this.#options.store.head(context));
  }

  contains(position: Position, context: CallContext): Promise<boolean> {
    return this.#call(() => this.#options.store.contains(position, context));
  }

  follow(query: TailQuery, context: CallContext): Promise<TailAnswer> {
    return this.#call(() => this.#options.store.follow(query, context));
  }

  reconnect(): void {
    this.cut();
  }

  close(): void {
    this.#options.onClose();
  }

  async #call<T>(perform: () => Promise<T>): Promise<T> {
    this.#options.clock.look();
    return await Promise.race([this.#connection.promise, this.#travel(perform)]);
  }

  async #travel<T>(perform: () => Promise<T>): Promise<T> {
    await this.#pass();
    const answer = await perform();
    await this.#pass();
    return answer;
  }

  /** The way of one message. */
  async #pass(): Promise<void> {
    const { chance, clock, isCalm } = this.#options;
    if (this.#latencyMs > 0) await clock.sleep(chance.between(1, this.#latencyMs));
    if (isCalm() || !chance.is(FAULTS)) return;
    const fault = chance();
    // Late: within the time of an attempt, or after the next attempt.
    if (fault < 0.5) await clock.sleep(chance.pick([100, 500, 1_500, 4_000]));
    else if (fault < 0.8) throw reset();
    else await new Promise(() => undefined);
  }
}

function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}
