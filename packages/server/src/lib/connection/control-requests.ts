/** The control requests of one connection: applied one after the other, each number once. */
import { refusal } from '@linefeed/shared/wire';

/** A client has one control request in flight. Each queued one holds its body and waits for all before it. */
const MAX_OPEN = 4;

const NOTHING: Promise<void> = Promise.resolve();

export class ControlRequests {
  /** Number of the newest request that was applied. */
  lastApplied = 0;
  #newest: Promise<void> = NOTHING;
  /** Number of requests that wait or are being applied. */
  #open = 0;

  /**
   * Calls `apply` after all earlier requests have settled, whatever their result.
   *
   * @throws LinefeedError `busy` if too many requests wait already, and the errors of `apply`.
   */
  async run(apply: () => Promise<void>): Promise<void> {
    if (this.#open >= MAX_OPEN) {
      throw refusal('busy', `This connection has ${MAX_OPEN} control requests that wait already.`);
    }
    this.#open += 1;
    const applying = this.#newest.then(apply).finally(() => {
      this.#open -= 1;
      // The promise of a request retains its async context.
      if (this.#open === 0) this.#newest = NOTHING;
    });
    this.#newest = applying.catch(() => undefined);
    await applying;
  }
}
