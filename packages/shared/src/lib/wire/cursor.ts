/** Cursors and event ids: `<epoch>.<position>[.<prev>]`, and after `~` the id of a stream. */

/**
 * A place in a log: `[0-9a-z]`, no leading zero, ordered by length and then by bytes. `0` is before the first event.
 * Positions compare only within one epoch.
 */
export type Position = string;

/** The position before the first event of every log. */
export const BEGINNING: Position = '0';

/** A parsed cursor. */
export interface Cursor {
  /** Identity of the numbering. A log that starts again from nothing gets a new epoch. */
  readonly epoch: string;
  readonly position: Position;
  /** Position of the previous event of the same address. Absent: unknown. */
  readonly prev?: Position | undefined;
}

/** A parsed `id:` field. */
export interface EventId {
  readonly cursor: Cursor | undefined;
  /** Stream: the part after the cursor, from the tilde on. */
  readonly mark: string | undefined;
}

const CURSOR = /^(?=.{3,64}$)([0-9a-z]+)\.(0|[1-9a-z][0-9a-z]*)(?:\.(0|[1-9a-z][0-9a-z]*))?$/;
/** The mark of a stream that is over. A resume with it starts no source. */
export const END_MARK = '~!';

/** Negative if `a` is before `b`, 0 if they are equal. */
export function comparePositions(a: Position, b: Position): number {
  return a === b ? 0 : a.length - b.length || (a < b ? -1 : 1);
}

export function formatCursor(epoch: string, position: Position, prev?: Position): string {
  return prev === undefined ? `${epoch}.${position}` : `${epoch}.${position}.${prev}`;
}

/** Parses a cursor. Returns `undefined` for any other text and never throws, because the text is untrusted. */
export function parseCursor(text: string | undefined): Cursor | undefined {
  const match = CURSOR.exec(text!);
  return match ? { epoch: match[1]!, position: match[2]!, prev: match[3] } : undefined;
}

/**
 * Parses the cursor of the next event of an address; the second argument is the cursor of its last event.
 *
 * Fast path: if the id ends with the known previous position, it skips the regex. The position in between is then not
 * validated: a malformed one goes back only to the same feed, which validates it on resume.
 */
export function parseNextCursor(text: string, { epoch, position }: Cursor): Cursor | undefined {
  const start = epoch.length + 1;
  const end = text.length - position.length - 1;
  return end > start &&
    text[start - 1] === '.' &&
    text[end] === '.' &&
    text.startsWith(epoch) &&
    text.endsWith(position)
    ? { epoch, position: text.slice(start, end), prev: position }
    : parseCursor(text);
}

/** The id of a stream's frame: the connection's cursor, `~`, and the stream's own id if it has one. */
export function formatStreamId(cursor: string, streamId: string | undefined): string {
  return `${cursor}~${streamId === undefined ? '' : encodeStreamId(streamId)}`;
}

/** The id of a stream that is over. A resume with it starts no source. */
export function formatEndMark(cursor: string): string {
  return cursor + END_MARK;
}

/** Parses an `id:` field or a `Last-Event-ID`. Never throws: a malformed text has neither cursor nor mark. */
export function parseEventId(text: string): EventId {
  const [, cursor, mark] = /^([^~]*)(~[^]*)?/.exec(text)!;
  return { cursor: parseCursor(cursor), mark };
}

/**
 * The stream's id as its source gave it. `''`: a stream without ids has started. `undefined`: the mark is malformed.
 */
export function readStreamId(mark: string): string | undefined {
  try {
    return decodeURIComponent(mark.slice(1));
  } catch {
    return undefined;
  }
}

const PLAIN_ID = /^[\w.-]*$/;

// encodeURIComponent does not escape `!` and `~`, which have a meaning in a mark.
function encodeStreamId(id: string): string {
  return PLAIN_ID.test(id) ? id : encodeURIComponent(id).replaceAll('!', '%21').replaceAll('~', '%7E');
}
