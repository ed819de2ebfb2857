/** The committed cursor: the newest one such that it and all that arrived before it are settled. Pure. */
import type { Cursor } from '@linefeed/shared/wire';
import { toText } from './place.ts';

/** Something that arrived and is being handled. */
export interface Arrival {
  /** The cursor that is committed with it; none for what does not move the connection's cursor. */
  readonly cursor: Cursor | undefined;
  /** Called once it and all before it are settled. */
  readonly done: (() => void) | undefined;
  /** How many deliveries of it are not settled. */
  open: number;
  /** What arrived behind it. */
  next: Arrival | undefined;
}

export interface Settlement {
  readonly committed: () => string | undefined;
  /** Notes an arrival, at first with one open delivery: the caller's own. */
  readonly arrive: (cursor?: Cursor, done?: () => void) => Arrival;
  /** One delivery of an arrival is settled. */
  readonly settle: (arrival: Arrival) => void;
}

export function createSettlement(onCommit: () => void): Settlement {
  let first: Arrival | undefined;
  let last: Arrival | undefined;
  let committed: Cursor | undefined;
  return {
    committed: () => toText(committed),
    arrive(cursor, done) {
      const arrival: Arrival = { cursor, done, open: 1, next: undefined };
      if (first) last!.next = arrival;
      else first = arrival;
      last = arrival;
      return arrival;
    },
    settle(arrival) {
      arrival.open -= 1;
      const before = committed;
      while (first?.open === 0) {
        const { cursor, next, done }: Arrival = first;
        committed = cursor ?? committed;
        // One that got old would keep everything behind it.
        first.next = undefined;
        first = next;
        done?.();
      }
      if (committed !== before) onCommit();
    },
  };
}
