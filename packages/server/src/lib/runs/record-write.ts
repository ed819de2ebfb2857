/** The change of the store that writes a record. Pure. */
import { encodeState, isKept, type PresentRecord, type RecordState } from './record-state.ts';
import type { AppendedEvents, RecordChange } from './run-store.ts';

/** A new record, or events that are appended to the newest run. */
export interface RecordWrite {
  readonly record: PresentRecord;
  /** The state did not change. */
  readonly sameState?: boolean | undefined;
  readonly leaseMs: number;
  readonly append?: AppendedEvents | undefined;
}

export interface PlannedWrite {
  readonly change: RecordChange;
  /** The state after the change. */
  readonly state: RecordState;
}

/** Most ended runs that a record holds. Beyond it, the oldest are deleted. */
export const MAX_KEPT_RUNS = 32;

/** Plans a write. Runs that are no longer kept are dropped. `now`: clock of the store. */
export function planWrite(write: RecordWrite, expected: number | undefined, now: number): PlannedWrite {
  const { record, leaseMs, append, sameState = false } = write;
  const { count } = record;
  if (sameState) {
    const { state } = record;
    const keepMs = keepMsOf(state, leaseMs, now);
    return { change: { expected, state: undefined, count, leaseMs, keepMs, append }, state };
  }
  const { state, drop } = prune(record.state, now);
  const keepMs = keepMsOf(state, leaseMs, now);
  return { change: { expected, state: encodeState(state), count, leaseMs, keepMs, append, drop }, state };
}

/** Removes what is no longer kept. The newest run stays: the id of the next one is greater. */
function prune(state: RecordState, now: number): { state: RecordState; drop: readonly string[] } {
  const { runs, stops } = state;
  const first = Math.max(0, runs.length - 1 - MAX_KEPT_RUNS);
  const isPruned = (index: number): boolean =>
    index < runs.length - 1 && (index < first || !isKept(runs[index]!, now));
  const drop = runs.filter((_, index) => isPruned(index)).map(({ run }) => run);
  return {
    state: {
      ...state,
      runs: runs.filter((_, index) => !isPruned(index)),
      stops: stops.filter(({ until }) => until > now),
    },
    drop,
  };
}

/** How long the record is kept. A run without an end is kept until its readers can have seen that it is lost. */
function keepMsOf({ runs, stops, slots = [] }: RecordState, leaseMs: number, now: number): number {
  let keepMs = 1;
  for (const { end, keepMs: keptMs, leaseMs: runLeaseMs } of runs) {
    keepMs = Math.max(keepMs, end === undefined ? leaseMs + runLeaseMs + keptMs : end.at + keptMs - now);
  }
  for (const { until } of stops) keepMs = Math.max(keepMs, until - now);
  for (const { until } of slots) keepMs = Math.max(keepMs, until - now);
  return keepMs;
}
