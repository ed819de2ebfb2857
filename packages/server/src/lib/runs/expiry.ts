/** The lease of a run: when its producer counts as dead, and what the record then is. Pure. */
import type { PresentRecord, RecordState, RunEnd, RunState } from './record-state.ts';

/** The newest run, if it has no end. Only the newest run of an address can be without an end. */
export function runningOf({ runs }: RecordState): RunState | undefined {
  const newest = runs.at(-1);
  return newest?.end === undefined ? newest : undefined;
}

/** Whether a start of the same key may continue the run, when its lease has expired. */
export function mayContinue({ attempt, attempts, stop }: RunState): boolean {
  return attempt < attempts && stop === undefined;
}

/**
 * Whether a run is lost now. A run that may be continued is kept for the duration of another lease.
 */
function isLost(run: RunState, leaseLeftMs: number): boolean {
  return leaseLeftMs <= (mayContinue(run) ? -run.leaseMs : 0);
}

/** How long after now a run would be lost, if its producer does not renew the lease. Milliseconds. */
export function lostAfterMs(run: RunState, leaseLeftMs: number): number {
  return mayContinue(run) ? leaseLeftMs + run.leaseMs : leaseLeftMs;
}

/** The record with the end `lost`, if its newest run is lost. Otherwise the given record. */
export function expire(record: PresentRecord): PresentRecord {
  const running = runningOf(record.state);
  if (running === undefined || !isLost(running, record.leaseLeftMs)) return record;
  const { now, count } = record;
  return endRun(record, { outcome: 'lost', at: now, count, reason: running.stop?.reason });
}

/** The record with an end of its newest run. */
export function endRun(record: PresentRecord, end: RunEnd): PresentRecord {
  const { state } = record;
  const runs = [...state.runs.slice(0, -1), { ...state.runs.at(-1)!, end }];
  return { ...record, state: { ...state, runs } };
}
