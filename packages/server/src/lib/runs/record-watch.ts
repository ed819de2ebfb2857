/** Notices that records may have changed: by hints of the store, and at an interval. */
import { ignore } from '../base/promise.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { RunStore } from './run-store.ts';

export interface RecordWatchOptions {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly pollMs: number;
  /** The keys that are followed now. */
  readonly followed: ReadonlyMap<string, unknown>;
  /** Compares the versions of these records. Never rejects. */
  readonly look: (keys: readonly string[]) => Promise<void>;
}

/** With hints of the store, polling only replaces lost hints. */
const POLL_FACTOR_WITH_HINTS = 5;

export class RecordWatch {
  readonly #options: RecordWatchOptions;
  readonly #pollMs: number;
  readonly #hinted = new Set<string>();
  readonly #unwatch: () => void;
  #timer: Timer | undefined;
  #committing: string | undefined;
  #isClosed = false;

  constructor(options: RecordWatchOptions) {
    const { store, pollMs } = options;
    this.#options = options;
    this.#unwatch = store.watch?.((key) => this.#onHint(key)) ?? ignore;
    this.#pollMs = store.watch === undefined ? pollMs : pollMs * POLL_FACTOR_WITH_HINTS;
  }

  #onHint(key: string): void {
    const { clock, followed, look } = this.#options;
    if (this.#isClosed || key === this.#committing || !followed.has(key)) return;
    this.#hinted.add(key);
    if (this.#hinted.size > 1) return;
    clock.defer(() => {
      const keys = [...this.#hinted];
      this.#hinted.clear();
      if (!this.#isClosed) void look(keys);
    });
  }

  /** Calls a function that commits. A hint within the call is of that commit. */
  during<T>(key: string, commit: () => T): T {
    this.#committing = key;
    try {
      return commit();
    } finally {
      this.#committing = undefined;
    }
  }

  /** Must be called when a key is followed. */
  start(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const { clock, followed, look } = this.#options;
    this.#timer = clock.after(this.#pollMs, () => {
      void look([...followed.keys()]).finally(() => {
        this.#timer = undefined;
        if (followed.size > 0) this.start();
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#unwatch();
  }
}
