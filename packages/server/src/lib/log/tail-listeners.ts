/**
 * Tail listeners of a log in this process. Each gets every event after its start, in order, even if a listener
 * appends.
 */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { LogCursor, LogEvent, Tail, TailListener } from './log.ts';

type Tell = (listener: TailListener) => void;

interface Registration {
  readonly listener: TailListener;
  /** The position where it started. */
  readonly from: Position;
  /** Number of resets before its start. Positions before and after a reset do not compare. */
  readonly resets: number;
}

interface Notification {
  /** Listeners that started at or past this position do not get it. Absent: all listeners get it. */
  readonly through: Position | undefined;
  readonly resets: number;
  readonly tell: Tell;
}

export class TailListeners {
  readonly #listeners = new Set<Registration>();
  readonly #queue: Notification[] = [];
  #telling = false;
  #resets = 0;

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: TailListener, start: LogCursor): Tail {
    const registration: Registration = { listener, from: start.position, resets: this.#resets };
    this.#listeners.add(registration);
    return { start, close: () => void this.#listeners.delete(registration) };
  }

  clear(): void {
    this.#listeners.clear();
  }

  events(events: readonly LogEvent[], through: Position): void {
    this.#tell(through, (listener) => listener.onEvents(events, through));
  }

  reset(reason: 'rollback' | 'epoch' | 'trimmed', newest: LogCursor): void {
    if (reason === 'trimmed') {
      // The numbering is unchanged: a listener that started past the evicted events is not affected.
      return this.#tell(newest.position, (listener) => listener.onReset(reason, newest));
    }
    this.#resets += 1;
    // BEGINNING is before every start, so only listeners that started before this reset get it.
    this.#tell(BEGINNING, (listener) => listener.onReset(reason, newest));
  }

  error(error: unknown): void {
    this.#tell(undefined, (listener) => listener.onError(error));
  }

  /** FIFO queue: if a listener appends (re-entrancy), the new events wait until the earlier ones are delivered. */
  #tell(through: Position | undefined, tell: Tell): void {
    this.#queue.push({ through, resets: this.#resets, tell });
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const registration of this.#listeners)
          if (concerns(registration, next)) tellOne(registration.listener, next.tell);
      }
    } finally {
      this.#telling = false;
    }
  }
}

function concerns(registration: Registration, { through, resets }: Notification): boolean {
  if (registration.resets !== resets) return registration.resets < resets;
  return through === undefined || comparePositions(through, registration.from) > 0;
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
