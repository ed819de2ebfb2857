/** The committed cursor: the newest one such that it and all that arrived before it are settled. Pure. */
import type { Cursor } from '@linefeed/shared/wire';
import { toText } from './place.ts';

/** Something that arrived and is being handled. */
export interface Arrival {
  /**
   * The cursor that is committed with it: its own, or the newest of what is settled behind it. None for what does not
   * move the connection's cursor.
   */
  cursor: Cursor | undefined;
  /** Called once it and all before it are settled: its own, and those of what is settled behind it. */
  done: (() => void) | undefined;
  /** How many deliveries of it are not settled. */
  open: number;
  /** Its neighbours among the unsettled. */
  previous: Arrival;
  next: Arrival;
}

export interface Settlement {
  readonly committed: () => string | undefined;
  /** Notes an arrival, at first with one open delivery: the caller's own. */
  readonly arrive: (cursor?: Cursor, done?: () => void) => Arrival;
  /** One delivery of an arrival is settled. */
  readonly settle: (arrival: Arrival) => void;
}

export function createSettlement(onCommit: () => void): Settlement {
  // A ring of the unsettled: what is settled leaves its cursor with the one before it, and at last with the start.
  const start = { open: 0 } as Arrival;
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
      // One that got old would keep everything behind it.
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
