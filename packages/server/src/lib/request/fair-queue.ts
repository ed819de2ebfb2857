/** FIFO throttle: spreads a burst of work over turns of the event loop, so that live events run in between. */
import type { Clock } from '../base/clock.ts';

export class FairQueue {
  readonly #clock: Clock;
  readonly #perTurn: number;
  #left: number;
  readonly #waiting: Array<{ readonly cost: number; readonly resolve: () => void }> = [];
  #scheduled = false;

  /** `perTurn`: the number of calls that pass in one turn. */
  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock;
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /**
   * `undefined`: continue at once. Else a promise that resolves in a later turn, after all earlier calls. `cost`: the
   * number of calls that this one counts as. The last call of a turn may cost more than the turn has left.
   */
  take(cost = 1): Promise<void> | undefined {
    this.#schedule();
    if (this.#left > 0) {
      this.#left -= cost;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push({ cost, resolve }));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    this.#left = this.#perTurn;
    let count = 0;
    for (const { cost } of this.#waiting) {
      if (this.#left <= 0) break;
      this.#left -= cost;
      count += 1;
    }
    const turn = this.#waiting.splice(0, count);
    if (this.#waiting.length > 0 || turn.length > 0) this.#schedule();
    for (const { resolve } of turn) resolve();
  }
}
