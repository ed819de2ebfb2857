/** Cursors and event ids: `<epoch>.<position>[.<prev>]`, and behind `~` the id of a stream. */

/**
 * A place in a log: `[0-9a-z]`, no leading zero, ordered by length and then by bytes. `0` stands before the first
 * event. Only positions of one epoch compare.
 */
export type Position = string;

/** Where every log begins. */
export const BEGINNING: Position = '0';

/** A cursor as the wire shows it, taken apart. */
export interface Cursor {
  /** Identity of the numbering: a log that starts anew has another one. */
  readonly epoch: string;
  readonly position: Position;
  /** Where the previous event of the same address stood; absent: unknown. */
  readonly prev?: Position | undefined;
}

/** What an `id:` field says. */
export interface EventId {
  readonly cursor: Cursor | undefined;
  /** Of a stream: what stands behind the cursor, from the tilde on. */
  readonly mark: string | undefined;
}

const CURSOR = /^([0-9a-z]+)\.(0|[1-9a-z][0-9a-z]*)(?:\.(0|[1-9a-z][0-9a-z]*))?$/;
const MAX_CURSOR_BYTES = 64;
/** The mark of a stream that is over: nothing is to be started again. */
export const END_MARK = '~!';

/** Negative where `a` stands before `b`, 0 where they are the same place. */
export function comparePositions(a: Position, b: Position): number {
  return a === b ? 0 : a.length - b.length || (a < b ? -1 : 1);
}

export function formatCursor(epoch: string, position: Position, prev?: Position): string {
  return prev === undefined ? `${epoch}.${position}` : `${epoch}.${position}.${prev}`;
}

/** Reads a cursor; `undefined` where it is none. Never throws: a cursor comes from outside. */
export function parseCursor(text: string): Cursor | undefined {
  const match = text.length > MAX_CURSOR_BYTES ? undefined : CURSOR.exec(text);
  return match ? { epoch: match[1]!, position: match[2]!, prev: match[3] } : undefined;
}

/**
 * Reads the cursor of an event of an address that stands at `at`: the same, for less where it names the one before it. Then
 * its position is whatever stands between: what is malformed goes back to that feed alone, which checks it.
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

/** The id that says "over, start nothing again". */
export function formatEndMark(cursor: string): string {
  return cursor + END_MARK;
}

/** Reads an `id:` field or a `Last-Event-ID`. Never throws; what cannot be understood has neither cursor nor mark. */
export function parseEventId(text: string): EventId {
  const tilde = text.indexOf('~');
  return tilde < 0
    ? { cursor: parseCursor(text), mark: undefined }
    : { cursor: parseCursor(text.slice(0, tilde)), mark: text.slice(tilde) };
}

/** The id in a mark as the source gave it; `''`: a stream without ids has begun; `undefined`: not of ours. */
export function readStreamId(mark: string): string | undefined {
  try {
    return decodeURIComponent(mark.slice(1));
  } catch {
    return undefined;
  }
}

const PLAIN_ID = /^[\w.-]*$/;

// encodeURIComponent keeps `!` and `~`, which mean something here.
function encodeStreamId(id: string): string {
  return PLAIN_ID.test(id) ? id : encodeURIComponent(id).replaceAll('!', '%21').replaceAll('~', '%7E');
}
