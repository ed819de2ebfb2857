/** The committed cursor: the newest one such that it and all that arrived before it are settled. Pure. */

/** Something that arrived and is being handled. */
export interface Arrival {
  /** The cursor that is committed with it; none for what does not move the connection's cursor. */
  readonly cursor: string | undefined;
  /** How many deliveries of it are not settled. */
  open: number;
}

export interface Settlement {
  readonly committed: () => string | undefined;
  /** Notes an arrival, at first with one open delivery: the caller's own. */
  readonly arrive: (cursor: string | undefined) => Arrival;
  /** One delivery of an arrival is settled. */
  readonly settle: (arrival: Arrival) => void;
}

export function createSettlement(onCommit: () => void): Settlement {
  const arrivals = new Set<Arrival>();
  let committed: string | undefined;
  return {
    committed: () => committed,
    arrive(cursor) {
      const arrival = { cursor, open: 1 };
      arrivals.add(arrival);
      return arrival;
    },
    settle(arrival) {
      arrival.open -= 1;
      const before = committed;
      for (const first of arrivals) {
        if (first.open > 0) break;
        committed = first.cursor ?? committed;
        arrivals.delete(first);
      }
      if (committed !== before) onCommit();
    },
  };
}
