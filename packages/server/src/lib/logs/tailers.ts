/** Those who follow a log in this process: each is told every event behind its start, in order, whoever appends meanwhile. */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { LogEvent, TailListener } from '../log.ts';

type Tell = (listener: TailListener) => void;

interface Tailer {
  readonly listener: TailListener;
  /** Where it started. */
  readonly from: Position;
  /** Resets before its start: positions on both sides of one do not compare. */
  readonly resets: number;
}

interface News {
  /** Not told to those who started there or behind; absent: everybody's business. */
  readonly through: Position | undefined;
  readonly resets: number;
  readonly tell: Tell;
}

export class Tailers {
  readonly #tailers = new Set<Tailer>();
  readonly #untold: News[] = [];
  #telling = false;
  #resets = 0;

  get size(): number {
    return this.#tailers.size;
  }

  add(listener: TailListener, from: Position): { readonly position: Position; close(): void } {
    const tailer: Tailer = { listener, from, resets: this.#resets };
    this.#tailers.add(tailer);
    return { position: from, close: () => void this.#tailers.delete(tailer) };
  }

  clear(): void {
    this.#tailers.clear();
  }

  events(events: readonly LogEvent[], through: Position): void {
    this.#tell(through, (listener) => listener.onEvents(events, through));
  }

  reset(reason: 'rollback' | 'epoch' | 'trimmed', position: Position): void {
    if (reason === 'trimmed') {
      // The numbering is the same: who started behind what is gone has nothing to do with it.
      return this.#tell(position, (listener) => listener.onReset(reason, position));
    }
    this.#resets += 1;
    // Older than every start: news only to those who started before it.
    this.#tell(BEGINNING, (listener) => listener.onReset(reason, position));
  }

  error(error: unknown): void {
    this.#tell(undefined, (listener) => listener.onError(error));
  }

  /** A listener that appends brings new events while older ones are still being told: those wait their turn. */
  #tell(through: Position | undefined, tell: Tell): void {
    this.#untold.push({ through, resets: this.#resets, tell });
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
        for (const tailer of this.#tailers) if (isNews(tailer, next)) tellOne(tailer.listener, next.tell);
      }
    } finally {
      this.#telling = false;
    }
  }
}

function isNews(tailer: Tailer, { through, resets }: News): boolean {
  if (tailer.resets !== resets) return tailer.resets < resets;
  return through === undefined || comparePositions(through, tailer.from) > 0;
}

/** One listener that throws must not keep the others, or the one who appended, from going on. */
function tellOne(listener: TailListener, tell: Tell): void {
  try {
    tell(listener);
  } catch (error) {
    try {
      listener.onError(error);
    } catch (fault) {
      // Left to the process: here it would look like a failure of the append that is being told.
      void Promise.reject(fault);
    }
  }
}
