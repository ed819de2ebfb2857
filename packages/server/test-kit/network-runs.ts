/** A store of runs over a server and a network in memory, with every fault of the contract of stores of runs. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Clock, Timer } from '../src/lib/base/clock.ts';
import { memoryRuns } from '../src/lib/runs/memory-runs.ts';
import type { ReadLimit, RecordChange, RunStore, StoredRecord } from '../src/lib/runs/run-store.ts';
import {
  RUN_STORE_FAULTS,
  type RunStoreSetup,
  type RunStoreTraits,
  type RunStoreUnderTest,
} from '../src/lib/testing/run-store-under-test.ts';
import { MemoryNetwork, type Connection } from './memory-network.ts';

export const NETWORK_TRAITS: RunStoreTraits = { persistent: true, watches: true, faults: RUN_STORE_FAULTS };

/** Time of a message in one direction. Two turns of a case are between the request of a commit and its answer. */
const LATENCY_MS = 11;
/** Deadline of a call. */
const TIMEOUT_MS = 2_000;
/** Interval of the calls that show whether the connection of the hints is alive. */
const PING_MS = 500;
/** Versions of a server whose data was deleted start past all former ones. */
const NUMBERING = 1_000_000;

/** Runs in the memory of a server. */
class RunServer {
  readonly #clock: Clock;
  readonly #listeners = new Set<(key: string) => void>();
  #store: RunStore;
  #offset = 0;
  isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#store = this.#create();
  }

  #create(): RunStore {
    const store = memoryRuns({ clock: this.#clock });
    store.watch!((key) => {
      for (const listener of this.#listeners) listener(key);
    });
    return store;
  }

  recreate(): void {
    this.#store = this.#create();
    this.#offset += NUMBERING;
  }

  watch(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async load(key: string): Promise<StoredRecord | undefined> {
    const record = await this.#store.load(key);
    return record && { ...record, version: record.version + this.#offset };
  }

  async commit(key: string, change: RecordChange): Promise<number | undefined> {
    const expected = change.expected === undefined ? undefined : change.expected - this.#offset;
    const version = await this.#store.commit(key, { ...change, expected });
    return version && version + this.#offset;
  }

  read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    return this.#store.read(key, run, after, limit);
  }

  async versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return (await this.#store.versions(keys)).map((version) => version && version + this.#offset);
  }

  list(prefix: string): Promise<readonly string[]> {
    return this.#store.list(prefix);
  }
}

class NetworkRuns implements RunStore {
  readonly #server: RunServer;
  readonly #network: MemoryNetwork;
  readonly #clock: Clock;
  readonly #listeners = new Set<(key: string) => void>();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #stopHints: () => void;
  #main: Connection;
  #hints: Connection;
  #ping: Timer | undefined;
  #closed = false;

  constructor(server: RunServer, network: MemoryNetwork, clock: Clock) {
    this.#server = server;
    this.#network = network;
    this.#clock = clock;
    this.#main = network.connect();
    this.#hints = network.connect();
    this.#stopHints = server.watch((key) => void this.#hint(key));
  }

  load(key: string): Promise<StoredRecord | undefined> {
    return this.#call(() => this.#server.load(key));
  }

  commit(key: string, change: RecordChange): Promise<number | undefined> {
    return this.#call(() => this.#server.commit(key, change));
  }

  read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    return this.#call(() => this.#server.read(key, run, after, limit));
  }

  versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    return this.#call(() => this.#server.versions(keys));
  }

  list(prefix: string): Promise<readonly string[]> {
    return this.#call(() => this.#server.list(prefix));
  }

  async #call<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#closed) throw refusal('closed', 'The store is closed; open it again.');
    if (this.#main.isBroken) this.#main = this.#network.connect();
    const call = this.#send(this.#main, perform);
    this.#pending.add(call);
    try {
      return await call;
    } catch (cause) {
      // A client that closes a connection without an answer connects again.
      this.#main = this.#network.connect();
      throw new LinefeedError('runs_failed', 'The server cannot be reached; try again.', {
        cause,
        retryable: true,
      });
    } finally {
      this.#pending.delete(call);
    }
  }

  async #send<T>(connection: Connection, perform: () => Promise<T>): Promise<T> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.after(TIMEOUT_MS, () => reject(new Error('no answer')));
    });
    const answer = this.#network.send(connection, async () => {
      if (this.#server.isStopped) throw new Error('connect ECONNREFUSED');
      return await perform();
    });
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, late]);
    } finally {
      timer?.clear();
    }
  }

  watch(listener: (key: string) => void): () => void {
    const own = (key: string): void => listener(key);
    this.#listeners.add(own);
    this.#checkHints();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#ping?.clear();
    };
  }

  async #hint(key: string): Promise<void> {
    if (this.#listeners.size === 0 || this.#hints.isBroken) return;
    await this.#network.send(this.#hints, () => Promise.resolve()).catch(() => undefined);
    for (const listener of this.#listeners) listener(key);
  }

  /** Opens another connection if the present one does not answer. */
  #checkHints(): void {
    this.#ping?.clear();
    this.#ping = this.#clock.after(PING_MS, () => {
      void this.#send(this.#hints, () => Promise.resolve()).catch(() => {
        this.#hints = this.#network.connect();
      });
      this.#checkHints();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#stopHints();
    this.#ping?.clear();
    await Promise.allSettled(this.#pending);
  }
}

export function networkUnderTest({ clock }: RunStoreSetup): Required<Omit<RunStoreUnderTest, 'dispose'>> {
  const server = new RunServer(clock);
  const network = new MemoryNetwork(clock, LATENCY_MS);
  const openWithClock = (own: Clock) => new NetworkRuns(server, network, own);
  return {
    open: () => openWithClock(clock),
    openWithClock,
    recreate: () => server.recreate(),
    stop() {
      server.isStopped = true;
      network.resetConnections();
      return () => {
        server.isStopped = false;
      };
    },
    pause: () => network.pause(),
    resetConnections: () => network.resetConnections(),
    halfOpen: () => network.halfOpen(),
    loseAnswers: () => network.loseAnswers(),
  };
}
