/** Positions in the runs of one address: their order, their text, and where a subscription starts. */
import { formatCursor, parseCursor, parseEventId, readStreamId } from '@linefeed/shared/wire';
import type { RunEnd, RunView } from './record-state.ts';

/** A position after an entry of a run. Runs are ordered by their ids. */
export interface RunPosition {
  readonly run: string;
  /** The number of the entry. `Infinity`: past the end of the run. */
  readonly n: number;
  /** Past the end: the number of the end, if it is known. It is only for the text of the position. */
  readonly end?: number | undefined;
}

const RUN_ID = /^[0-9a-z]{17}$/;
const NUMBER = /^(0|[1-9][0-9]{0,14})$/;

/** Third part of the cursor of an end. A reader that resumes with it does not need the end, even if it is deleted. */
const END = 'end';

/** Past the end of a run that is older than all others. */
export const BEFORE_ALL_RUNS: RunPosition = { run: '0'.repeat(17), n: Infinity, end: 0 };

/** Negative if `a` is before `b`. */
export function compareRunPositions(a: RunPosition, b: RunPosition): number {
  if (a.run !== b.run) return a.run < b.run ? -1 : 1;
  return a.n === b.n ? 0 : a.n < b.n ? -1 : 1;
}

/** The cursor of an entry: `<run>.<n>`. */
export function formatRunCursor(run: string, n: number): string {
  return formatCursor(run, String(n));
}

/** A position as a cursor. */
export function formatRunPosition({ run, n, end = 0 }: RunPosition): string {
  return n < Infinity ? formatRunCursor(run, n) : formatCursor(run, String(end), END);
}

/** The position past the end of a run, which is its entry `end`. */
export function pastEnd(run: string, end: number): RunPosition {
  return { run, n: Infinity, end };
}

/** The kept run of this id. */
export function viewOf(run: string, views: readonly RunView[]): RunView | undefined {
  return views.findLast((view) => view.run === run);
}

/** Where a client requests to start: before the newest run, after everything, or at a position. */
export type RunFrom = 'start' | 'now' | RunPosition;

/** Parses the `from` of an entry: a word, a cursor, or a whole event id. A text that cannot be read is `start`. */
export function readRunFrom(from: string | undefined): RunFrom {
  if (from === 'now') return 'now';
  if (from === undefined) return 'start';
  const { mark } = parseEventId(from);
  const cursor = parseCursor(mark === undefined ? from : readStreamId(mark));
  if (cursor === undefined || !RUN_ID.test(cursor.epoch) || !NUMBER.test(cursor.position)) return 'start';
  const n = Number(cursor.position);
  return cursor.prev === END ? pastEnd(cursor.epoch, n) : { run: cursor.epoch, n };
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
  return view?.end !== undefined && position.n > view.count ? pastEnd(view.run, view.count + 1) : position;
}

/** The position of everything that is recorded. */
export function tailOfRuns(views: readonly RunView[]): RunPosition {
  const newest = views.at(-1);
  if (newest === undefined) return BEFORE_ALL_RUNS;
  const { run, count, end } = newest;
  return end === undefined ? { run, n: count } : pastEnd(run, count + 1);
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
