/** The order of cursors, and their text. Pure. */
import type { Cursor } from '@linefeed/shared/wire';

/** Whether `a` is at or before `b` in the same epoch. */
export function isAtOrBefore(a: Cursor | undefined, b: Cursor | undefined): boolean {
  return (
    a !== undefined &&
    a.epoch === b?.epoch &&
    (a.position.length - b.position.length || Number(a.position > b.position)) <= 0
  );
}

/** Formats a cursor for a request, without the position of the previous event. */
export function toText(cursor: Cursor): string;
export function toText(cursor: Cursor | undefined): string | undefined;
export function toText(cursor: Cursor | undefined): string | undefined {
  return cursor && `${cursor.epoch}.${cursor.position}`;
}
