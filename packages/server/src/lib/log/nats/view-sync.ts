/** Brings the view up to what the stream has now. */
import type { Clock } from '../../base/clock.ts';
import { readInfo, type StreamAddress } from './stream-calls.ts';
import type { StreamReader } from './stream-reader.ts';

export interface ViewSyncOptions extends StreamAddress {
  readonly timers: Clock;
  readonly reader: StreamReader;
}

export class ViewSync {
  readonly #options: ViewSyncOptions;
  #next: Promise<boolean> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ViewSyncOptions) {
    this.#options = options;
  }

  /** Waits until the view has a message. Returns whether it does, after a bounded time. */
  async reach(sequence: number, ms: number = this.#options.jetstream.requestMs): Promise<boolean> {
    const { timers, reader } = this.#options;
    const end = timers.now() + ms;
    while (reader.view.sequence < sequence && timers.now() < end && !reader.isClosed)
      await reader.changes.next(timers, end - timers.now());
    return reader.view.sequence >= sequence;
  }

  /**
   * Waits until the view has every message that was stored before this call. One request serves all calls that wait
   * for it.
   *
   * @returns `false` if the server does not answer
   */
  sync(): Promise<boolean> {
    // A request that was sent before this call may have an older answer.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const running = this.#sync();
      this.#running = running;
      return running;
    });
    return this.#next;
  }

  async #sync(): Promise<boolean> {
    const { reader } = this.#options;
    if (reader.fault !== undefined) return false;
    const { view } = reader;
    const { sequence } = view;
    try {
      const { created, state } = await readInfo(this.#options);
      const wentBack = reader.view === view && state.last_seq < sequence;
      if (wentBack || created !== reader.view.created || !(await this.reach(state.last_seq)))
        await reader.recover();
      return reader.fault === undefined;
    } catch {
      return false;
    }
  }
}
