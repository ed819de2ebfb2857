/**
 * Tail listeners of a log in this process. Each gets every event after its start, in order, even if a listener
 * appends.
 */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { LogEvent, TailListener } from './log.ts';

type Tell = (listener: TailListener) => void;

interface Tailer {
  readonly listener: TailListener;
  /** The position where it started. */
  readonly from: Position;
  /** Number of resets before its start. Positions before and after a reset do not compare. */
  readonly resets: number;
}

interface News {
  /** Listeners that started at or past this position do not get it. Absent: all listeners get it. */
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
      // The numbering is unchanged: a listener that started past the evicted events is not affected.
      return this.#tell(position, (listener) => listener.onReset(reason, position));
    }
    this.#resets += 1;
    // BEGINNING is before every start, so only listeners that started before this reset get it.
    this.#tell(BEGINNING, (listener) => listener.onReset(reason, position));
  }

  error(error: unknown): void {
    this.#tell(undefined, (listener) => listener.onError(error));
  }

  /** FIFO queue: if a listener appends (re-entrancy), the new events wait until the earlier ones are delivered. */
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

/** A listener that throws must not stop the other listeners, or fail the append. */
function tellOne(listener: TailListener, tell: Tell): void {
  try {
    tell(listener);
  } catch (error) {
    try {
      listener.onError(error);
    } catch (fault) {
      // Becomes an unhandled rejection of the process. Thrown here, it would look like a failure of the append.
      void Promise.reject(fault);
    }
  }
}
