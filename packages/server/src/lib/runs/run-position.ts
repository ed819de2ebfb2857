/** Positions in the runs of one address: their order, their text, and where a subscription starts. */
import { formatCursor, parseCursor, parseEventId, readStreamId } from '@linefeed/shared/wire';
import type { RunEnd, RunView } from './record-state.ts';

/** A place after entry `n` of a run. `Infinity`: past its end. Runs are ordered by their ids. */
export interface RunPosition {
  readonly run: string;
  readonly n: number;
}

const RUN_ID = /^[0-9a-z]{17}$/;
const NUMBER = /^(0|[1-9][0-9]{0,14})$/;

/** Third part of the cursor of an end. A reader that resumes with it does not need the end, even if it is deleted. */
const END = 'end';

/** Past the end of a run that is older than all others. */
export const BEFORE_ALL_RUNS: RunPosition = { run: '0'.repeat(17), n: Infinity };

/** Negative if `a` is before `b`. */
export function compareRunPositions(a: RunPosition, b: RunPosition): number {
  if (a.run !== b.run) return a.run < b.run ? -1 : 1;
  return a.n === b.n ? 0 : a.n < b.n ? -1 : 1;
}

/** The cursor of an entry: `<run>.<n>`. */
export function formatRunCursor(run: string, n: number): string {
  return formatCursor(run, String(n));
}

/** The cursor of the end of a run, which is entry `n`. */
export function formatRunEnd(run: string, n: number): string {
  return formatCursor(run, String(n), END);
}

/** A position as a cursor. The end is the entry after the last event; if the run is not kept, it has the number 0. */
export function formatRunPosition({ run, n }: RunPosition, views: readonly RunView[]): string {
  if (n < Infinity) return formatRunCursor(run, n);
  const view = viewOf(run, views);
  return formatRunEnd(run, view === undefined ? 0 : view.count + 1);
}

/** The kept run of this id. */
export function viewOf(run: string, views: readonly RunView[]): RunView | undefined {
  return views.findLast((view) => view.run === run);
}

/** Where a client requests to start: before the newest run, after everything, or after a place. */
export type RunFrom = 'start' | 'now' | RunPosition;

/** Parses the `from` of an entry: a word, a cursor, or a whole event id. A text that cannot be read is `start`. */
export function readRunFrom(from: string | undefined): RunFrom {
  if (from === 'now') return 'now';
  if (from === undefined) return 'start';
  const { mark } = parseEventId(from);
  const cursor = parseCursor(mark === undefined ? from : readStreamId(mark));
  if (cursor === undefined || !RUN_ID.test(cursor.epoch) || !NUMBER.test(cursor.position)) return 'start';
  return { run: cursor.epoch, n: cursor.prev === END ? Infinity : Number(cursor.position) };
}

/** The position at which delivery starts. `views`: the kept runs, oldest first. */
export function startOfRuns(from: RunFrom, views: readonly RunView[]): RunPosition {
  if (typeof from === 'object') return passEnd(from, views);
  const newest = views.at(-1);
  return from === 'now' || newest === undefined ? tailOfRuns(views) : { run: newest.run, n: 0 };
}

/** A position at the end of a run is past it. */
function passEnd(position: RunPosition, views: readonly RunView[]): RunPosition {
  const view = viewOf(position.run, views);
  return view?.end !== undefined && position.n > view.count ? { run: position.run, n: Infinity } : position;
}

/** The position of everything that is recorded. */
export function tailOfRuns(views: readonly RunView[]): RunPosition {
  const newest = views.at(-1);
  if (newest === undefined) return BEFORE_ALL_RUNS;
  return { run: newest.run, n: newest.end === undefined ? newest.count : Infinity };
}

/** The next step of a reader at a position. */
export type RunStep =
  /** Nothing yet. */
  | { readonly type: 'wait' }
  /** The events after the position. */
  | { readonly type: 'events' }
  /** The end of this run. */
  | { readonly type: 'end'; readonly view: RunView; readonly end: RunEnd }
  /** The run is not kept, and the reader does not have its end. */
  | { readonly type: 'gone' }
  /** This later run, from its beginning. */
  | { readonly type: 'next'; readonly view: RunView };

export function nextRunStep({ run, n }: RunPosition, views: readonly RunView[]): RunStep {
  if (n === Infinity) {
    const next = views.find((view) => view.run > run);
    return next === undefined ? { type: 'wait' } : { type: 'next', view: next };
  }
  const view = viewOf(run, views);
  if (view === undefined) return { type: 'gone' };
  if (n < view.count) return { type: 'events' };
  return view.end === undefined ? { type: 'wait' } : { type: 'end', view, end: view.end };
}

/**
 * The later one of two states of a record. A record only grows, except that ended runs are deleted: a state without a
 * run that the other one has as its newest is earlier, or the deletion is seen a moment later.
 */
export function laterViews(a: readonly RunView[], b: readonly RunView[]): readonly RunView[] {
  return compareViews(a.at(-1), b.at(-1)) < 0 ? b : a;
}

function compareViews(a: RunView | undefined, b: RunView | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if (a.run !== b.run) return a.run < b.run ? -1 : 1;
  return (
    a.attempt - b.attempt || Number(a.end !== undefined) - Number(b.end !== undefined) || a.count - b.count
  );
}
