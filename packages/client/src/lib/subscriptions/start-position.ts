/** Decides where each entry starts. The functions are pure. */
import { encodeAddress, parseCursor, type Cursor } from '@linefeed/shared/wire';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import type { Entry } from './entry.ts';

/** Returns the address as a comparison key. It does not throw for invalid params; `subscribe` reports those. */
export function toAddressKey(topic: string, params: unknown): string {
  try {
    return encodeAddress(topic, params as object | undefined);
  } catch {
    return `${topic} `;
  }
}

/** Encodes `from` as the user gives it. A stream id with a tilde is escaped, so that it does not look like a stream mark. */
export function toFrom(from: string): string {
  const text = encodeURIComponent(from);
  return from.includes('~') ? `~${text.replaceAll('~', '%7E')}` : from;
}

/**
 * Returns the `from` that an entry sends. `cursor`: the cursor of the connection.
 *
 * An address at the connection's cursor sends no cursor of its own; any other address sends its own. An address that was
 * never accepted sends `now`, so that an old cursor does not replay its history, and no recorded run is replayed.
 */
export function toStart(entry: Entry, cursor: Cursor | undefined): string | undefined {
  const { from, position } = entry;
  if (position.is === 'stream' && position.mark) {
    // Stream without ids: the server runs it again only for a request without a mark.
    return position.mark === '~' && position.restart ? undefined : position.mark;
  }
  if (position.is === 'run') return `~${toText(position.cursor)}`;
  if (position.cursor) return sharesCursor(entry, cursor) ? undefined : toText(position.cursor);
  return from ?? /* seam: new-entry-at-now */ (position.is === 'unknown' ? 'now' : undefined);
}

/**
 * Puts entries that need a replay before the others. If several entries have one event name, a server that uses only the
 * first of them then does not miss the replay.
 */
export function toOrder(entries: readonly Entry[], cursor: Cursor | undefined): Entry[] {
  const rank = (entry: Entry) => {
    const startsNow = entry.position.cursor === undefined && (entry.from ?? 'now') === 'now';
    return Number(startsNow || sharesCursor(entry, cursor));
  };
  return [...entries].sort((a, b) => rank(a) - rank(b));
}

export function sharesCursor({ position, order }: Entry, cursor: Cursor | undefined): boolean {
  return isAtOrBefore(position.cursor, cursor) && /* seam: own-cursor-in-rewind */ order !== 'own';
}

/**
 * Whether the server will announce a gap because the given cursor is unusable. Until the gap arrives the entry has no
 * position. After a disconnect before the gap, it sends the same `from` again.
 */
export function awaitsGap({ from }: Entry, start: Cursor | undefined): boolean {
  const isGiven = from !== undefined && from !== 'now' && from !== 'earliest';
  return isGiven && !isAtOrBefore(parseCursor(from), start);
}

/** Whether events are missing between the entry's position and the event with this cursor. */
export function isAfterHole({ position: { is, cursor: at } }: Entry, cursor: Cursor): boolean {
  const { epoch, prev } = cursor;
  return (
    is === 'logged' &&
    at !== undefined &&
    !isAtOrBefore({ epoch, position: prev ?? at.position }, at) &&
    !isAtOrBefore(cursor, at)
  );
}
