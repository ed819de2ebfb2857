/** Spreads work that comes all at once over turns of the event loop, in its order, so that what is live goes on between. */
import type { Clock } from './clock.ts';

export class Turns {
  readonly #clock: Clock;
  readonly #perTurn: number;
  #left: number;
  #waiting: Array<() => void> = [];
  #scheduled = false;

  /** `perTurn`: so many are let through in one turn. */
  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock;
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** `undefined`: go on at once. Else resolves in a later turn, behind those who came before. */
  take(): Promise<void> | undefined {
    this.#schedule();
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    const turn = this.#waiting.splice(0, this.#perTurn);
    this.#left = this.#perTurn - turn.length;
    if (this.#waiting.length > 0 || turn.length > 0) this.#schedule();
    for (const resolve of turn) resolve();
  }
}
