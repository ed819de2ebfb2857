/** The state of a record of runs, its text in the store, and the runs as readers see them. */
import { LinefeedError, type RunOutcome } from '@linefeed/shared/wire';

/** The recorded end of a run. */
export interface RunEnd {
  readonly outcome: Exclude<RunOutcome, 'gone'>;
  /** Clock of the store. Milliseconds since 1970. */
  readonly at: number;
  /** Number of its events. */
  readonly count: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
  readonly reason?: string | undefined;
}

/** One run of an address. */
export interface RunState {
  readonly run: string;
  /** The key of its start. */
  readonly key?: string | undefined;
  /** Hash of the input of its start. */
  readonly input?: string | undefined;
  /** The epoch of its newest claim. */
  readonly epoch: number;
  /** Random text of its newest claim. A process recognises its claim by it. */
  readonly claim: string;
  /** Number of claims of this run. */
  readonly attempt: number;
  /** Most claims of this run. */
  readonly attempts: number;
  readonly startedAt: number;
  readonly principal?: string | undefined;
  /** Random text of its entry in the record of its principal. */
  readonly slot?: string | undefined;
  readonly leaseMs: number;
  readonly keepMs: number;
  /** A stop was requested. */
  readonly stop?: { readonly reason?: string | undefined } | undefined;
  readonly end?: RunEnd | undefined;
}

/** A stop that came before the start of its key. */
export interface PendingStop {
  readonly key: string;
  readonly reason?: string | undefined;
  /** Clock of the store. Milliseconds since 1970. */
  readonly until: number;
}

/** A run of a principal. */
export interface Slot {
  readonly address: string;
  /** The slot of the run. */
  readonly slot: string;
  /** When it was taken. Clock of the store. Milliseconds since 1970. */
  readonly at: number;
  /** The run has ended by then. Clock of the store. Milliseconds since 1970. */
  readonly until: number;
}

/** The state of the record of an address. Only its newest run can be running. */
export interface RecordState {
  readonly format: 1;
  /** Number of all claims of this address. */
  readonly epoch: number;
  /** Oldest first. */
  readonly runs: readonly RunState[];
  readonly stops: readonly PendingStop[];
  /** The record of a principal: its runs. */
  readonly slots?: readonly Slot[] | undefined;
}

/** A record with its state, at one moment. */
export interface PresentRecord {
  readonly state: RecordState;
  /** Number of events of the newest run. */
  readonly count: number;
  /** Not positive: the lease has expired. */
  readonly leaseLeftMs: number;
  /** Clock of the store. Milliseconds since 1970. */
  readonly now: number;
}

/** A run as readers see it. */
export interface RunView {
  readonly run: string;
  readonly key: string | undefined;
  /** Fences its producers. It is never sent to clients. */
  readonly epoch: number;
  readonly attempt: number;
  readonly startedAt: number;
  readonly leaseMs: number;
  /** Number of its recorded events. The end, if there is one, is the entry `count + 1`. */
  readonly count: number;
  /** Present: a stop was requested. */
  readonly stop: { readonly reason?: string | undefined } | undefined;
  /** Absent: it runs, or its end is not known yet. */
  readonly end: RunEnd | undefined;
}

export const NO_RECORD: RecordState = { format: 1, epoch: 0, runs: [], stops: [] };

export function encodeState(state: RecordState): string {
  return JSON.stringify(state);
}

/** @throws LinefeedError `runs_failed` for the state of another version of this package */
export function parseState(text: string): RecordState {
  const state = JSON.parse(text) as RecordState;
  if (state.format === 1) return state;
  throw new LinefeedError(
    'runs_failed',
    `A record of runs has format ${String(state.format)}, and this version of the package reads format 1.`,
  );
}

/** The kept runs, oldest first. */
export function toViews({ state, count, now }: Omit<PresentRecord, 'leaseLeftMs'>): readonly RunView[] {
  return state.runs.filter((run) => isKept(run, now)).map((run) => toView(run, count));
}

export function toView(run: RunState, count: number): RunView {
  return {
    run: run.run,
    key: run.key,
    epoch: run.epoch,
    attempt: run.attempt,
    startedAt: run.startedAt,
    leaseMs: run.leaseMs,
    count: run.end?.count ?? count,
    stop: run.stop,
    end: run.end,
  };
}

export function isKept({ end, keepMs }: RunState, now: number): boolean {
  return end === undefined || end.at + keepMs > now;
}
