/** The committed cursor: the newest one such that it and all that arrived before it are settled. Pure. */
import type { Cursor } from '@linefeed/shared/wire';
import { toText } from './place.ts';

/** Something that arrived and is being handled. */
export interface Arrival {
  /** The cursor that is committed with it; none for what does not move the connection's cursor. */
  readonly cursor: Cursor | undefined;
  /** How many deliveries of it are not settled. */
  open: number;
}

export interface Settlement {
  readonly committed: () => string | undefined;
  /** Notes an arrival, at first with one open delivery: the caller's own. */
  readonly arrive: (cursor?: Cursor) => Arrival;
  /** One delivery of an arrival is settled. */
  readonly settle: (arrival: Arrival) => void;
}

export function createSettlement(onCommit: () => void): Settlement {
  const arrivals: Arrival[] = [];
  let committed: Cursor | undefined;
  return {
    committed: () => toText(committed),
    arrive(cursor) {
      const arrival = { cursor, open: 1 };
      arrivals.push(arrival);
      return arrival;
    },
    settle(arrival) {
      arrival.open -= 1;
      const before = committed;
      while (arrivals[0]?.open === 0) committed = arrivals.shift()!.cursor ?? committed;
      if (committed !== before) onCommit();
    },
  };
}
