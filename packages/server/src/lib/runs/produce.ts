/** The changes by a producer: events, renewals of its lease, and the end. Each is refused for a stale epoch. Pure. */
import type { Decision } from './decision.ts';
import { endRun } from './expiry.ts';
import { toView, type PresentRecord, type RunEnd, type RunView } from './record-state.ts';

/** One commit of a producer. */
export interface Production {
  readonly run: string;
  readonly epoch: number;
  /** Number of events that were recorded before. */
  readonly after: number;
  /** JSON texts. Without events, the commit renews the lease. */
  readonly events: readonly string[];
  /** `0` releases the lease: another process may continue the run. */
  readonly leaseMs: number;
  /** The end, after the events. */
  readonly end?: Omit<RunEnd, 'at' | 'count'> | undefined;
}

/**
 * - `recorded`: the change is in the record
 * - `ended`: the run has an end that another process recorded, or is lost because the store lost events
 * - `fenced`: a later claim has a higher epoch, or the record was deleted
 */
export type ProduceResult =
  | { readonly type: 'recorded' | 'ended'; readonly view: RunView }
  | { readonly type: 'fenced' };

export function decideProduction(production: Production, record: PresentRecord): Decision<ProduceResult> {
  const { run, epoch, after, events, leaseMs, end } = production;
  const newest = record.state.runs.at(-1);
  // The epoch of a claim may repeat after the record was deleted. The id of a run does not.
  if (newest?.epoch !== epoch || newest.run !== run) return { result: { type: 'fenced' } };
  const count = after + events.length;
  if (newest.end !== undefined) {
    // After an unknown outcome, the end in the record is that of this commit, or one that was recorded before it.
    const isOwn = end !== undefined && newest.end.outcome === end.outcome && newest.end.count === count;
    return { result: { type: isOwn ? 'recorded' : 'ended', view: toView(newest, record.count) } };
  }
  // The store lost its newest commits, for example at a failover. Readers may have them, so their numbers are used.
  if (record.count !== after && record.count !== count) {
    const lost = endRun(record, {
      outcome: 'lost',
      at: record.now,
      count: record.count,
      reason: 'data_loss',
    });
    const view = toView(lost.state.runs.at(-1)!, record.count);
    return { result: { type: 'ended', view }, write: { record: lost, leaseMs: 0 } };
  }
  const isAppended = events.length > 0 && record.count === count;
  const append = isAppended || events.length === 0 ? undefined : { run, after, events };
  const appended = { ...record, count };
  if (end === undefined) {
    return {
      result: { type: 'recorded', view: toView(newest, count) },
      write: { record: appended, sameState: true, leaseMs, append },
    };
  }
  const ended = endRun(appended, { ...end, at: record.now, count });
  return {
    result: { type: 'recorded', view: toView(ended.state.runs.at(-1)!, count) },
    write: { record: ended, leaseMs: 0, append },
  };
}
