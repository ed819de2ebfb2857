/** The two parts of a position of a remote log: `<sequence><tag>`. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';

/** Digits of the tag, in base 36. */
export const TAG_DIGITS = 4;

/** The number of the event, from 1. 0 for `BEGINNING`. */
export function sequenceOf(position: Position): number {
  return position.length > TAG_DIGITS ? parseInt(position.slice(0, -TAG_DIGITS), 36) : 0;
}

/** The random digits of the batch that appended the event. Empty for `BEGINNING`. */
export function tagOf(position: Position): string {
  return position.length > TAG_DIGITS ? position.slice(-TAG_DIGITS) : '';
}

/** The position with the greater sequence; the first one if the sequences are equal. */
export function newerOf(a: Position, b: Position): Position {
  return sequenceOf(b) > sequenceOf(a) ? b : a;
}

/** Whether a text can be a position of a remote log. */
export function hasTag(position: Position): boolean {
  return position === BEGINNING || position.length > TAG_DIGITS;
}
