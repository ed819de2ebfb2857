/** The calls of a store on a server: each has a deadline and errors of the store, and the end of the store waits. */
import { refusal } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { ignore } from '../base/promise.ts';
import { toUnusable, withDeadline } from '../database/deadline.ts';

/**
 * Longest time of a call by default. Milliseconds. Within a lease of 10 s, a producer can renew it after a call without an
 * answer.
 */
export const DEFAULT_CALL_MS = 3_000;

export interface StoreCallsOptions {
  /** The store, at the start of messages. */
  readonly name: string;
  readonly clock: Clock;
  /** Longest time of a call, in milliseconds. */
  readonly timeoutMs: number;
  /** Gives an error of the server its remedy. Other values are returned as they are. */
  readonly toError: (error: unknown) => unknown;
}

export class StoreCalls {
  readonly #options: StoreCallsOptions;
  readonly #pending = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(options: StoreCallsOptions) {
    this.#options = options;
  }

  /** @throws LinefeedError (as a rejection) `closed`, `runs_failed`, and those of `toError` */
  async run<T>(perform: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { name } = this.#options;
    if (this.#isClosed) throw refusal('closed', `${name} is closed; open it again to continue.`);
    const call = this.#perform(perform);
    this.#pending.add(call);
    call.catch(ignore).finally(() => this.#pending.delete(call));
    return await call;
  }

  async #perform<T>(perform: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { name, clock, timeoutMs, toError } = this.#options;
    try {
      return await withDeadline({ clock, name, ms: timeoutMs, code: 'runs_failed' }, perform);
    } catch (error) {
      throw toUnusable(name, toError(error), 'runs_failed');
    }
  }

  /** Resolves when the pending calls have ended. Later calls are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#pending);
  }
}
