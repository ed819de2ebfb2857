/** Tracks the committed cursor: it and all that arrived before it are settled. Pure. */
import type { Cursor } from '@linefeed/shared/wire';
import { toText } from './entry.ts';

/** An arrived frame that is being handled. */
export interface InFlight {
  /**
   * The cursor to commit with this arrival: its own, or the newest one of settled arrivals directly after it.
   * `undefined` if it does not move the connection's cursor.
   */
  cursor: Cursor | undefined;
  /**
   * Called once this and all earlier arrivals are settled. Includes the callbacks of settled arrivals directly after
   * it.
   */
  done: (() => void) | undefined;
  /** Number of unsettled deliveries. */
  open: number;
  /** Its neighbours in the list of unsettled arrivals. */
  previous: InFlight;
  next: InFlight;
}

export interface CommitTracker {
  readonly committed: () => string | undefined;
  /** Registers an arrival with one open delivery, which the caller settles. */
  readonly arrive: (cursor?: Cursor, done?: () => void) => InFlight;
  /** Settles one delivery of an arrival. */
  readonly settle: (arrival: InFlight) => void;
}

export function createCommitTracker(onCommit: () => void): CommitTracker {
  // A circular list of unsettled arrivals. A settled arrival passes its cursor to its predecessor, the oldest one to
  // `start`.
  const start = { open: 0 } as InFlight;
  start.previous = start.next = start;
  return {
    committed: () => toText(start.cursor),
    arrive(cursor, done) {
      const { previous } = start;
      return (start.previous = previous.next = { cursor, done, open: 1, previous, next: start });
    },
    settle(arrival) {
      arrival.open -= 1;
      if (arrival.open > 0) return;
      const { cursor, done, previous, next } = arrival;
      previous.next = next;
      next.previous = previous;
      // Unlink: a settled arrival that is still referenced would keep all later ones in memory.
      arrival.previous = arrival.next = start;
      previous.cursor = cursor ?? previous.cursor;
      if (previous === start) {
        done?.();
        if (cursor) onCommit();
      } else if (done) {
        const before = previous.done;
        previous.done = () => {
          before?.();
          done();
        };
      }
    },
  };
}
