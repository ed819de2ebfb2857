/** The connection of the tail: opened when needed, woken by notifications, and otherwise polled. */
import type { Clock, Timer } from '../../base/clock.ts';
import { ignore } from '../../base/promise.ts';
import type { Driver, TailSession } from '../../database/postgres/driver.ts';

export interface TailConnectionOptions {
  readonly driver: Driver;
  /** The head table. The channel of notifications has its number. */
  readonly head: string;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly listen: boolean;
}

/** First wait after a publish in a transaction, as a part of `pollMs`. The next waits double. */
const EAGER_PART = 8;

export class TailConnection {
  readonly #options: TailConnectionOptions;
  #session: TailSession | undefined;
  #hinted = false;
  #onHint = ignore;
  /** Longest wait while a transaction of this process may commit soon, in milliseconds. */
  #eagerMs = Infinity;
  #onEager = ignore;

  constructor(options: TailConnectionOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal): Promise<TailSession> {
    if (this.#session !== undefined) return this.#session;
    const { driver, head, listen } = this.#options;
    const session = await driver.openTail(signal);
    this.#session = session;
    if (listen && !signal.aborted) {
      const [row] = await session.query(`SELECT ($1::text)::regclass::oid::text AS oid`, [head], signal);
      await session.listen(`lf_${row!['oid']}`, () => this.wake());
    }
    return session;
  }

  /** From here on `wake` ends the next wait. Called before a read: what is appended after the read ends the wait. */
  expect(): void {
    this.#hinted = false;
  }

  /** There may be something to read. */
  wake(): void {
    this.#hinted = true;
    this.#onHint();
  }

  /** A transaction of this process has published, and may commit soon. The next polls come earlier. */
  expectCommit(): void {
    this.#eagerMs = this.#options.pollMs / EAGER_PART;
    this.#onEager();
  }

  /** Waits until the next poll, or a hint. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#hinted || signal.aborted) return resolve();
      const { clock, pollMs } = this.#options;
      const longest = Math.max(0, Math.min(ms, pollMs));
      const end = (): void => {
        timer.clear();
        this.#onHint = ignore;
        this.#onEager = ignore;
        signal.removeEventListener('abort', end);
        resolve();
      };
      const arm = (): Timer => clock.after(Math.min(longest, this.#eagerMs), end);
      let timer = arm();
      // Without a publish meanwhile, the waits double up to the interval of the poll.
      this.#eagerMs *= 2;
      if (this.#eagerMs >= pollMs) this.#eagerMs = Infinity;
      this.#onHint = end;
      this.#onEager = (): void => {
        // Only once per wait: a steady flow of publishes must not postpone the poll.
        this.#onEager = ignore;
        timer.clear();
        timer = arm();
        this.#eagerMs *= 2;
      };
      signal.addEventListener('abort', end, { once: true });
    });
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
    this.wake();
  }
}
