/** Counts what a reader received against what was acknowledged. */

/** One call of a handler, in the order of the calls: an event, or a gap of its address. */
export type Seen =
  | { readonly address: string; readonly run: string; readonly n: number; readonly epoch: string }
  | { readonly address: string; readonly gap: string };

export interface Counts {
  /** Different events. */
  readonly received: number;
  /**
   * Acknowledged events that did not arrive, and were announced: by a gap at their place, or, if the log has another
   * epoch now, by a gap after the last event of their epoch.
   */
  readonly missingAnnounced: number;
  /** The same without such a gap. */
  readonly missingUnannounced: number;
  /** Events that arrived again. After a gap `epoch` a reader starts at the beginning of another log: that counts anew. */
  readonly doubled: number;
  /** Events that arrived after a later one of their run and address. A gap `epoch` begins anew here too. */
  readonly disordered: number;
}

/** The part of a run that is counted. */
export interface CountedRun {
  readonly name: string;
  /** The epoch of each acknowledged number; undefined if the acknowledgement does not tell it. */
  readonly acknowledged: ReadonlyMap<number, string | undefined>;
  /** Number of calls that the reader had seen when the run began: an earlier gap announces nothing of it. */
  readonly start?: number;
}

/** The epoch of a cursor. */
export const epochOf = (cursor: string): string => cursor.split('.')[0]!;

/** The address of a number of a run. */
export const addressOf = (n: number): string => (n % 2 === 0 ? 'room' : 'notice');

/** `epoch`: the present one of the log. */
export function count(seen: readonly Seen[], runs: readonly CountedRun[], epoch: string): Counts {
  const counts = { received: 0, missingAnnounced: 0, missingUnannounced: 0, doubled: 0, disordered: 0 };
  for (const address of ['room', 'notice']) {
    const all = [...seen.entries()].filter(([, each]) => each.address === address);
    const gaps = all.flatMap(([index, each]) => ('gap' in each ? [index] : []));
    const lastOf = (of: string): number =>
      all.findLast(([, each]) => 'epoch' in each && each.epoch === of)?.[0] ?? -1;
    for (const { name, acknowledged, start = 0 } of runs) {
      /** Index of the first arrival of each number. */
      const first = new Map<number, number>();
      let known = new Set<number>();
      let last = 0;
      for (const [index, each] of all) {
        if ('gap' in each) {
          if (each.gap === 'epoch') {
            known = new Set();
            last = 0;
          }
          continue;
        }
        if (each.run !== name) continue;
        if (known.has(each.n)) counts.doubled += 1;
        else if (each.n < last) counts.disordered += 1;
        known.add(each.n);
        last = Math.max(last, each.n);
        if (!first.has(each.n)) first.set(each.n, index);
      }
      counts.received += first.size;
      const arrived = [...first].toSorted(([a], [b]) => a - b);
      for (const [n, own = epoch] of acknowledged) {
        if (addressOf(n) !== address || first.has(n)) continue;
        if (own !== epoch && gaps.some((gap) => gap >= start && gap > lastOf(own))) {
          counts.missingAnnounced += 1;
          continue;
        }
        const before = arrived.findLast(([other]) => other < n)?.[1] ?? start - 1;
        const after = Math.min(
          ...arrived.filter(([other, index]) => other > n && index > before).map(([, index]) => index),
        );
        if (gaps.some((gap) => before < gap && gap < after)) counts.missingAnnounced += 1;
        else counts.missingUnannounced += 1;
      }
    }
  }
  return counts;
}
