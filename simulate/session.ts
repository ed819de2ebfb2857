/** A subscriber in the server's process, through a tRPC router of the feed: it must always be able to leave. */
import { toRouter } from '@linefeed/server/trpc';
import { MOODS, type WorldFeed } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import type { RunBook } from './sources.ts';

export interface SessionOptions {
  readonly feed: WorldFeed;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly runs: RunBook;
  readonly fail: (what: string) => void;
}

/** Time limit for leaving. */
const LEAVE_MS = 1_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #controller = new AbortController();
  #iterator: AsyncIterator<unknown> | undefined;
  #isOver = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    void this.#run();
  }

  /** It leaves as tRPC does: by its signal, then by `return()`. */
  act(): void {
    const { clock, fail } = this.#options;
    if (this.#isOver) return;
    const isLate = clock.after(LEAVE_MS, () => fail('session: leaving takes too long'));
    this.#controller.abort();
    void Promise.resolve(this.#iterator?.return?.()).then(isLate, isLate);
    this.#isOver = true;
  }

  close(): void {
    this.act();
  }

  /** Nothing to check: other subscribers check the same events. */
  checkEnd(): void {}

  get isOver(): boolean {
    return this.#isOver;
  }

  async #run(): Promise<void> {
    const { feed, chance } = this.#options;
    const { signal } = this.#controller;
    const caller = toRouter(feed).createCaller({ request: 0, user: 'ann', principal: 'session' }, { signal });
    try {
      const events: AsyncIterable<unknown> = chance.is(0.5)
        ? await caller.notice({})
        : await caller.steps({ to: 20, mood: chance.pick(MOODS), run: 'session' });
      this.#iterator = events[Symbol.asyncIterator]();
      while (!this.#isOver) if ((await this.#iterator.next()).done === true) break;
    } catch {
      // The session ended or the source failed: a real client would subscribe again.
    }
    this.#isOver = true;
  }
}
