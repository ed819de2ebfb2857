/** One connection to a Redis server. It is opened when it is needed, and again after a failure. */
import type { Clock } from '../../base/clock.ts';
import { untilAborted } from '../../base/promise.ts';
import type { ConnectionSource, RawConnection } from './client.ts';
import { isReply, isWrongServer } from './errors.ts';

export class Connection {
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  readonly #connectMs: number;
  #startedAt = 0;
  #raw: RawConnection | undefined;
  #isReady = false;

  /** @param connectMs Longest time to connect. It may be longer than a call: Sentinel can take seconds. */
  constructor(source: ConnectionSource, clock: Clock, connectMs: number) {
    this.#source = source;
    this.#clock = clock;
    this.#connectMs = connectMs;
  }

  /** Whether the next command is the first one on its connection. */
  get isNew(): boolean {
    return this.#raw === undefined || !this.#isReady || !this.#raw.isUsable();
  }

  /**
   * Sends a command. If it gets no answer before the signal aborts, the connection is destroyed: the server, or the
   * network, may be silent without an end of the connection.
   */
  async send(key: string | undefined, command: readonly string[], signal: AbortSignal): Promise<unknown> {
    if (this.#raw !== undefined && this.#isReady && !this.#raw.isUsable()) this.drop();
    const raw = (this.#raw ??= this.#open());
    let isConnecting = !raw.isUsable();
    try {
      if (isConnecting) await untilAborted(signal, raw.ready);
      isConnecting = false;
      if (raw === this.#raw) this.#isReady = true;
      return await untilAborted(signal, raw.send(key, command));
    } catch (error) {
      // A server that refuses a connection answers with an error too.
      const isLost = isConnecting || !isReply(error) || isWrongServer(error);
      if (isLost && raw === this.#raw && !(signal.aborted && this.#mayConnect)) this.drop();
      throw error;
    }
  }

  #open(): RawConnection {
    this.#startedAt = this.#clock.now();
    return this.#source.open();
  }

  /** Whether the connection is not ready yet, and has time left. The next call then waits for it. */
  get #mayConnect(): boolean {
    return !this.#isReady && this.#clock.now() - this.#startedAt < this.#connectMs;
  }

  /** Ends the connection. The next command opens another one. */
  drop(): void {
    const raw = this.#raw;
    this.#raw = undefined;
    this.#isReady = false;
    raw?.destroy();
  }
}
