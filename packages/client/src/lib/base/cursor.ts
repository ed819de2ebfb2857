/** The order of cursors, and their text. Pure. */
import { parseCursor, type Cursor } from '@linefeed/shared/wire';

/** A cursor of a log, or of a run. */
export interface AnyCursor extends Cursor {
  /** `epoch` is a run, `position` the number of an entry, and `prev` is set after its end. Later runs are greater. */
  readonly isRun?: boolean;
}

/** Whether `a` is at or before `b` in the same epoch. For runs of one address: in the same run, or in a later one. */
export function isAtOrBefore(a: AnyCursor | undefined, b: AnyCursor | undefined): boolean {
  if (!a || !b) return false;
  return a.epoch === b.epoch
    ? compare(a.position, b.position) <= 0
    : Boolean(a.isRun && b.isRun) && compare(b.epoch, a.epoch) > 0;
}

function compare(a: string, b: string): number {
  return a.length - b.length || Number(a > b);
}

/** Formats a cursor for a request, without the position of the previous event. */
export function toText(cursor: AnyCursor): string;
export function toText(cursor: AnyCursor | undefined): string | undefined;
export function toText(cursor: AnyCursor | undefined): string | undefined {
  return (
    cursor && `${cursor.epoch}.${cursor.position}${cursor.isRun && cursor.prev ? `.${cursor.prev}` : ''}`
  );
}

/** Parses the cursor of an entry of a run: `<run>.<n>`, or `<run>.<n>.end` after the end of the run. */
export function parseRunCursor(text: string | undefined): AnyCursor | undefined {
  const cursor = parseCursor(text);
  return cursor && { ...cursor, isRun: true };
}
