/** A record as this process knows it. */
import { lostAfterMs, runningOf } from './expiry.ts';
import { NO_RECORD, parseState, type PresentRecord, type RecordState } from './record-state.ts';
import type { StoredRecord } from './run-store.ts';

export interface Known {
  /** `undefined`: there is no record. */
  readonly version: number | undefined;
  readonly text: string;
  readonly state: RecordState;
  readonly count: number;
  /** Time of the clock. */
  readonly leaseEndsAt: number;
}

/** `before`: an earlier state of the record, which is not parsed again. */
export function readStored(
  stored: StoredRecord | undefined,
  clockNow: number,
  before: Known | undefined,
): Known {
  if (stored === undefined) {
    return { version: undefined, text: '', state: NO_RECORD, count: 0, leaseEndsAt: clockNow };
  }
  return {
    version: stored.version,
    text: stored.state,
    state: before?.text === stored.state ? before.state : parseState(stored.state),
    count: stored.count,
    leaseEndsAt: clockNow + stored.leaseLeftMs,
  };
}

export function toPresent(
  { state, count, leaseEndsAt }: Known,
  clockNow: number,
  storeNow: number,
): PresentRecord {
  return { state, count, leaseLeftMs: leaseEndsAt - clockNow, now: storeNow };
}

/** Whether its newest run is lost, if its producer did not renew the lease since. */
export function isDue({ state, leaseEndsAt }: Known, clockNow: number): boolean {
  const running = runningOf(state);
  return running !== undefined && lostAfterMs(running, leaseEndsAt - clockNow) <= 0;
}
