/** Waits for the keys of the newest commits, on a connection of its own, while anything listens. */
import type { Clock } from '../../base/clock.ts';
import { withDeadline } from '../../database/deadline.ts';
import type { Connection } from '../../database/redis/connection.ts';
import { streamEntries } from '../../database/redis/stream-entries.ts';
import { Backoff, pause } from '../../database/waiting.ts';

export interface HintsOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Time after which a connection that answers nothing is given up, in milliseconds, in addition to the wait. */
  readonly timeoutMs: number;
  readonly connection: Connection;
  /** The stream. */
  readonly key: string;
  /** The handle whose own commits are not read back. */
  readonly handle: string;
}

/** Time of one wait, in milliseconds. */
const WAIT_MS = 1_000;
const MAX_PAUSE_MS = 1_000;
/** Before every entry of a stream. */
const BEGINNING = '0';

type Listener = (key: string) => void;

export class Hints {
  readonly #options: HintsOptions;
  readonly #listeners = new Set<Listener>();
  #reading: AbortController | undefined;
  #isClosed = false;

  constructor(options: HintsOptions) {
    this.#options = options;
  }

  watch(listener: Listener): () => void {
    const own: Listener = (key) => listener(key);
    this.#listeners.add(own);
    if (this.#reading === undefined && !this.#isClosed) {
      this.#reading = new AbortController();
      void this.#readAll(this.#reading.signal);
    }
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stop();
    };
  }

  /** A commit of this handle begins. A listener that is called within its own call of the store knows that it is its own. */
  onCommit(key: string): void {
    if (this.#listeners.size === 1) this.#call(key);
  }

  /** A commit of this handle was performed. It is not read back from the stream. */
  onCommitted(key: string): void {
    if (this.#listeners.size > 1) this.#call(key);
  }

  #call(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#stop();
  }

  #stop(): void {
    this.#reading?.abort();
    this.#reading = undefined;
    this.#options.connection.drop();
  }

  async #readAll(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const backoff = new Backoff(clock, MAX_PAUSE_MS);
    // Old hints cause only a look at the versions.
    let last = BEGINNING;
    while (!signal.aborted) {
      try {
        last = await this.#read(last, signal);
        backoff.reset();
      } catch {
        if (signal.aborted) return;
        // The stream of another server may have smaller ids.
        last = BEGINNING;
        this.#options.connection.drop();
        await pause(clock, backoff.next(), signal);
      }
    }
  }

  /** Waits for entries after `last`. Returns the id of the newest one. */
  async #read(last: string, signal: AbortSignal): Promise<string> {
    const { name, clock, timeoutMs, connection, key, handle } = this.#options;
    const command = ['XREAD', 'COUNT', '1000', 'BLOCK', String(WAIT_MS), 'STREAMS', key, last];
    const deadline = { clock, name, ms: WAIT_MS + timeoutMs, code: 'runs_failed', signal } as const;
    const reply = await withDeadline(deadline, (callSignal) => connection.send(key, command, callSignal));
    let newest = last;
    for (const [id, [, writer, , changed]] of streamEntries(reply)) {
      newest = id;
      if (writer !== handle && changed !== undefined) this.#call(changed);
    }
    return newest;
  }
}
