/** The connection of the tail: opened when needed, woken by notifications, and otherwise polled. */
import type { Clock } from '../../base/clock.ts';
import { ignore } from '../../base/promise.ts';
import type { Driver, TailSession } from './driver.ts';

export interface TailConnectionOptions {
  readonly driver: Driver;
  /** The head table. The channel of notifications has its number. */
  readonly head: string;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly listen: boolean;
}

export class TailConnection {
  readonly #options: TailConnectionOptions;
  #session: TailSession | undefined;
  #hinted = false;
  #onHint = ignore;

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

  /** Waits until the next poll, or a hint. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#hinted || signal.aborted) return resolve();
      const end = (): void => {
        timer.clear();
        this.#onHint = ignore;
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#options.clock.after(Math.max(0, Math.min(ms, this.#options.pollMs)), end);
      this.#onHint = end;
      signal.addEventListener('abort', end, { once: true });
    });
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
    this.wake();
  }
}
