/** The streams that a user reads: their steps arrive in order, they end, and each can be left at any time. */
import { iterate, type Client } from '@linefeed/client';
import { LinefeedError } from '@linefeed/shared';
import type { Board, Mood } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import type { Run, RunBook } from './sources.ts';

export interface ReadingsOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly runs: RunBook;
  readonly fail: (what: string) => void;
}

/** A stream that is being read. */
interface Reading {
  readonly name: string;
  readonly mood: Mood;
  readonly leave: () => void;
}

/** Time limit for a reader that leaves. */
const LEAVE_MS = 1_000;

export class Readings {
  readonly #options: ReadingsOptions;
  readonly #reading = new Set<Reading>();

  constructor(options: ReadingsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#reading.size;
  }

  leaveOne(): void {
    this.#options.chance.pick([...this.#reading]).leave();
  }

  leaveAll(): void {
    for (const { leave } of this.#reading) leave();
  }

  /** The moods of streams that should have ended: a source that is deaf or pending does not end. */
  endless(): Mood[] {
    return [...this.#reading].map(({ mood }) => mood).filter((mood) => mood !== 'deaf' && mood !== 'pending');
  }

  /** Reads a stream in a run of its own. */
  read(client: Client<Board>, mood: Mood, name: string): void {
    const { chance, clock, runs } = this.#options;
    const to = chance.between(1, 30);
    const run: Run = { mood };
    runs.set(name, run);
    const iterator = iterate(client, 'steps', { params: { to, mood, run: name } });
    const reading: Reading = {
      name,
      mood,
      leave: () => {
        this.#reading.delete(reading);
        const isLate = clock.after(LEAVE_MS, () =>
          this.#options.fail(`steps ${name}: leaving it takes too long`),
        );
        void iterator.return().then(isLate);
      },
    };
    this.#reading.add(reading);
    void this.#iterate(iterator, { name, to, run }).finally(() => this.#reading.delete(reading));
    const leavesAfterMs =
      chance.is(mood === 'deaf' || mood === 'pending' ? 0.5 : 0.1) && chance.between(0, 8_000);
    if (leavesAfterMs !== false)
      clock.after(leavesAfterMs, () => this.#reading.has(reading) && reading.leave());
  }

  async #iterate(
    iterator: AsyncGenerator<{ step: number }, void, void>,
    { name, to, run }: { name: string; to: number; run: Run },
  ): Promise<void> {
    const { chance, clock } = this.#options;
    const quitAt = chance.is(0.2) ? chance.between(1, to) : undefined;
    const isOpen = (): boolean => [...this.#reading].some((reading) => reading.name === name);
    let next = 1;
    try {
      for await (const { step } of iterator) {
        if (step !== next) this.#options.fail(`steps ${name}: ${step} came where ${next} was due`);
        next = step + 1;
        if (chance.is(0.1)) await clock.sleep(50);
        if (step === quitAt) return;
      }
      if (isOpen() && next !== to + 1) this.#options.fail(`steps ${name}: ended after ${next - 1} of ${to}`);
    } catch (error) {
      const isExpected = run.hasFailed === true && LinefeedError.is(error) && error.code === 'source_failed';
      if (isOpen() && !isExpected) this.#options.fail(`steps ${name}: ${String(error)}`);
    }
  }
}
