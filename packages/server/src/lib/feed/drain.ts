/** Tells open connections to reconnect, one after the other over a grace period. */
import type { Clock, Timer } from '../base/clock.ts';

export interface Draining {
  reconnect(reason: 'drain', afterMs: number): void;
}

export class Drain {
  readonly #clock: Clock;
  readonly #endAt: number;
  #timer: Timer | undefined;
  #isOver = false;
  #emptied: () => void = () => undefined;

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#endAt = clock.now() + graceMs;
  }

  get leftMs(): number {
    return Math.max(0, this.#endAt - this.#clock.now());
  }

  /** Resolves when `emptied` is called, at the latest after the last connection was told to reconnect. */
  async run(connections: readonly Draining[]): Promise<void> {
    if (connections.length === 0) return;
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve));
    if (this.leftMs === 0) for (const connection of connections) connection.reconnect('drain', 0);
    else this.#takeTurns(connections);
    await emptied;
  }

  /** Spreads the connections evenly over the grace period, so that no two reconnect to the next server together. */
  #takeTurns(connections: readonly Draining[]): void {
    const startedAt = this.#clock.now();
    const stepMs = this.leftMs / connections.length;
    const turn = (index: number): void => {
      connections[index]!.reconnect('drain', 0);
      const next = index + 1;
      if (this.#isOver || next === connections.length) return;
      const waitMs = Math.max(0, startedAt + next * stepMs - this.#clock.now());
      // A caller awaits the end. Without this the process could exit first.
      this.#timer = this.#clock.after(waitMs, () => turn(next), { keepsAlive: true });
    };
    turn(0);
  }

  /** Must be called when the last connection has closed. */
  emptied(): void {
    this.#isOver = true;
    this.#timer?.clear();
    this.#emptied();
  }
}
