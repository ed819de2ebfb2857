/** The start of a run: one atomic claim of its address. Pure. */
import type { Decision } from './decision.ts';
import { endRun, expire, mayContinue, runningOf } from './expiry.ts';
import { isKept, toView, type PresentRecord, type RunState, type RunView } from './record-state.ts';

/** The effect of a start while a run with another key, or without one, is running. */
export type WhenBusy = 'join' | 'refuse' | 'replace';

export interface ClaimRequest {
  /** Random text. It recognises the claim after a commit with an unknown outcome. */
  readonly claim: string;
  readonly key: string | undefined;
  /** Hash of the input. */
  readonly input: string | undefined;
  readonly whenBusy: WhenBusy;
  readonly attempts: number;
  readonly leaseMs: number;
  readonly keepMs: number;
  readonly principal: string | undefined;
  readonly slot: string | undefined;
  /** The request may not begin a new run: it needs a slot first. */
  readonly needsSlot?: boolean | undefined;
}

/**
 * - `claimed`: the caller produces the run
 * - `joined`: the run belongs to another start, or has ended
 * - `stopped`: the stop of this key came first; the run is recorded and has ended
 * - `conflict`: the key was used with another input
 * - `busy`: another run is running, and the request refuses or replaces
 * - `free`: the request would begin a new run, and needs a slot first
 */
export type ClaimResult =
  | { readonly type: 'claimed'; readonly state: RunState; readonly count: number }
  | { readonly type: 'joined' | 'stopped' | 'conflict' | 'busy'; readonly view: RunView }
  | { readonly type: 'free' };

const TIME_DIGITS = 9;

/**
 * The id of a run: the time in base 36, which is greater than that of all earlier runs of the address, and random
 * digits. So a later run of an address has a greater id.
 */
function createRunId(now: number, claim: string, before: RunState | undefined): string {
  const earliest = before === undefined ? 0 : parseInt(before.run.slice(0, TIME_DIGITS), 36) + 1;
  return Math.max(now, earliest).toString(36).padStart(TIME_DIGITS, '0') + claim;
}

export function decideClaim(request: ClaimRequest, given: PresentRecord): Decision<ClaimResult> {
  const own = given.state.runs.at(-1);
  if (own?.claim === request.claim) return { result: toOwnResult(own, given.count) };
  const record = expire(given);
  // A lease that expired is recorded, even if nothing else changes.
  const write = record === given ? undefined : { record, leaseMs: 0 };
  const { state, count, now, leaseLeftMs } = record;
  const answer = (type: 'joined' | 'conflict' | 'busy', run: RunState): Decision<ClaimResult> => ({
    result: { type, view: toView(run, count) },
    write,
  });
  const running = runningOf(state);
  const sameKey =
    request.key === undefined
      ? undefined
      : state.runs.findLast((run) => run.key === request.key && isKept(run, now));
  if (sameKey !== undefined) {
    if (sameKey.input !== request.input) return answer('conflict', sameKey);
    const isFree = sameKey === running && leaseLeftMs <= 0 && mayContinue(sameKey);
    return isFree ? continueRun(request, record, sameKey) : answer('joined', sameKey);
  }
  if (running !== undefined) return answer(request.whenBusy === 'join' ? 'joined' : 'busy', running);
  return request.needsSlot === true ? { result: { type: 'free' }, write } : beginRun(request, record);
}

/** `own` may have ended since its claim. */
function toOwnResult(own: RunState, count: number): ClaimResult {
  if (own.end === undefined) return { type: 'claimed', state: own, count };
  return { type: own.end.outcome === 'stopped' ? 'stopped' : 'joined', view: toView(own, count) };
}

/** Another attempt of a run: its producer is gone, and the next one appends to its events. */
function continueRun(request: ClaimRequest, record: PresentRecord, run: RunState): Decision<ClaimResult> {
  const { claim, leaseMs, keepMs } = request;
  const epoch = record.state.epoch + 1;
  const next: RunState = { ...run, claim, epoch, attempt: run.attempt + 1, leaseMs, keepMs };
  const state = { ...record.state, epoch, runs: [...record.state.runs.slice(0, -1), next] };
  return {
    result: { type: 'claimed', state: next, count: record.count },
    write: { record: { ...record, state }, leaseMs },
  };
}

function beginRun(request: ClaimRequest, record: PresentRecord): Decision<ClaimResult> {
  const { claim, key, input, attempts, leaseMs, keepMs, principal, slot } = request;
  const { state, now } = record;
  const epoch = state.epoch + 1;
  const run: RunState = {
    run: createRunId(now, claim, state.runs.at(-1)),
    key,
    input,
    epoch,
    claim,
    attempt: 1,
    attempts,
    startedAt: now,
    principal,
    slot,
    leaseMs,
    keepMs,
  };
  const pending = key === undefined ? undefined : state.stops.find((stop) => stop.key === key);
  const stops = state.stops.filter((stop) => stop !== pending && stop.until > now);
  const started = { ...record, count: 0, state: { ...state, epoch, runs: [...state.runs, run], stops } };
  if (pending === undefined) {
    return { result: { type: 'claimed', state: run, count: 0 }, write: { record: started, leaseMs } };
  }
  const ended = endRun(started, { outcome: 'stopped', at: now, count: 0, reason: pending.reason });
  return {
    result: { type: 'stopped', view: toView(ended.state.runs.at(-1)!, 0) },
    write: { record: ended, leaseMs: 0 },
  };
}
