/** A request to stop a run. Pure. */
import type { Decision } from './decision.ts';
import { endRun, expire, runningOf } from './expiry.ts';
import { isKept, toView, type PresentRecord, type RunState, type RunView } from './record-state.ts';

export interface StopRequest {
  /** Stops this run only. */
  readonly run: string | undefined;
  /** Stops the run of this key only. The request is kept if there is none yet. */
  readonly key: string | undefined;
  readonly reason: string | undefined;
  /** How long a request for a key without a run is kept. Milliseconds. */
  readonly keepMs: number;
}

/**
 * - `none`: there is no such run
 * - `ended`: the run has ended, now or earlier
 * - `requested`: its producer will end it
 */
export type StopResult =
  | { readonly type: 'none' }
  | { readonly type: 'ended' | 'requested'; readonly view: RunView };

/** Most stops of an address that wait for the start of their key. Beyond it, the oldest is deleted. */
export const MAX_PENDING_STOPS = 32;

export function decideStop(request: StopRequest, given: PresentRecord): Decision<StopResult> {
  const record = expire(given);
  const write = record === given ? undefined : { record, leaseMs: 0 };
  const target = findTarget(request, record);
  if (target === undefined) {
    const kept = keepStop(request, record);
    const leaseMs = Math.max(0, record.leaseLeftMs);
    return { result: { type: 'none' }, write: kept === undefined ? write : { record: kept, leaseMs } };
  }
  if (target.end !== undefined)
    return { result: { type: 'ended', view: toView(target, record.count) }, write };
  const { reason } = request;
  if (record.leaseLeftMs <= 0) {
    // It waits for another attempt: no producer would notice a request.
    const { now, count } = record;
    const ended = endRun(record, { outcome: 'stopped', at: now, count, reason });
    return {
      result: { type: 'ended', view: toView(ended.state.runs.at(-1)!, count) },
      write: { record: ended, leaseMs: 0 },
    };
  }
  if (target.stop !== undefined) return { result: { type: 'requested', view: toView(target, record.count) } };
  const stopped: RunState = { ...target, stop: { reason } };
  const state = { ...record.state, runs: [...record.state.runs.slice(0, -1), stopped] };
  return {
    result: { type: 'requested', view: toView(stopped, record.count) },
    // The request must not renew the lease: the producer may be dead.
    write: { record: { ...record, state }, leaseMs: record.leaseLeftMs },
  };
}

function findTarget({ run, key }: StopRequest, { state, now }: PresentRecord): RunState | undefined {
  if (run === undefined && key === undefined) return runningOf(state);
  return state.runs.findLast(
    (kept) => isKept(kept, now) && (run === undefined ? kept.key === key : kept.run === run),
  );
}

/** The record with a stop that waits for the start of its key. `undefined`: no change. */
function keepStop(
  { run, key, reason, keepMs }: StopRequest,
  record: PresentRecord,
): PresentRecord | undefined {
  const { state, now } = record;
  if (key === undefined || run !== undefined) return undefined;
  if (state.stops.some((stop) => stop.key === key && stop.until > now)) return undefined;
  const stops = [...state.stops.slice(1 - MAX_PENDING_STOPS), { key, reason, until: now + keepMs }];
  return { ...record, state: { ...state, stops } };
}
