/** The order of cursors, and their text. Pure. */
import { parseCursor, type Cursor } from '@linefeed/shared/wire';

/** A cursor of a log, or the place of an entry in the runs of an address. */
export interface Place extends Cursor {
  /** `epoch` is a run, `position` the number of an entry, and `prev` is set after its end. Later runs are greater. */
  readonly isRun?: boolean;
}

/** Whether `a` is at or before `b` in the same epoch. For runs of one address: in the same run, or in a later one. */
export function isAtOrBefore(a: Place | undefined, b: Place | undefined): boolean {
  if (!a || !b) return false;
  return a.epoch === b.epoch
    ? compare(a.position, b.position) <= 0
    : Boolean(a.isRun && b.isRun) && compare(b.epoch, a.epoch) > 0;
}

function compare(a: string, b: string): number {
  return a.length - b.length || Number(a > b);
}

/** Formats a cursor for a request, without the position of the previous event. */
export function toText(cursor: Place): string;
export function toText(cursor: Place | undefined): string | undefined;
export function toText(cursor: Place | undefined): string | undefined {
  return (
    cursor && `${cursor.epoch}.${cursor.position}${cursor.isRun && cursor.prev ? `.${cursor.prev}` : ''}`
  );
}

/** Parses the place of an entry of a run: `<run>.<n>`, or `<run>.<n>.end` after the end of the run. */
export function parsePlace(text: string | undefined): Place | undefined {
  const cursor = parseCursor(text);
  return cursor && { ...cursor, isRun: true };
}
