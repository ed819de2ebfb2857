/** The resume positions of a connection's addresses, and the requests made from them. Pure. */
import { encodeAddress, parseCursor, type Cursor, type SubscriptionEntry } from '@linefeed/shared/wire';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import type { Opening } from '../transport/transport.ts';

/** One entry of the subscription list and its position in the log. */
export interface Place {
  /** The address as requested. */
  readonly address: string;
  /**
   * Key of the entry. A stream's event name contains it; a logged address ignores it. Always sent: the client does not
   * know which of the two an address is.
   */
  readonly key: string;
  /** `from` as the user gave it. */
  readonly from: string | undefined;
  /** Stream: run it again even if its events had no ids. */
  restart?: boolean | undefined;
  /** Event name of its frames; unknown until `subscribed`. */
  event?: string | undefined;
  /** Logged: cursor of the last event received, or of the start. */
  at?: Cursor | undefined;
  /** Logged: the address has an order of its own during a replay. The connection's cursor does not cover it. */
  apart?: boolean | undefined;
  /** Logged: the replay has finished, but events delivered during it are not committed yet. */
  catching?: object | undefined;
  /** Logged: the end of the log at acceptance. */
  tail?: Cursor | undefined;
  /** Stream: the part of its last event id from the tilde on; `~` alone if the event had no id. */
  mark?: string | undefined;
}

/** Returns the address as a comparison key. It does not throw for invalid params; `subscribe` reports those. */
export function toAddressKey(topic: string, params: unknown): string {
  try {
    return encodeAddress(topic, params as object | undefined);
  } catch {
    return `${topic} `;
  }
}

/** Encodes `from` as the user gives it. A stream id with a tilde is escaped, so that it does not look like a mark. */
export function toFrom(from: string): string {
  const text = encodeURIComponent(from);
  return from.includes('~') ? `~${text.replaceAll('~', '%7E')}` : from;
}

/**
 * Builds the opening request. An address at the connection's cursor sends no cursor of its own; any other address sends
 * its own. An address that was never accepted sends `now`, so that an old cursor does not replay its history.
 */
export function toOpening(
  places: Iterable<Place>,
  cursor: Cursor | undefined,
): Pick<Opening, 'entries' | 'cursor'> {
  const list = [...places];
  const shared = list.some((place) => sharesCursor(place, cursor)) ? cursor : undefined;
  return { entries: list.map((place) => toEntry(place, shared)), cursor: toText(shared) };
}

/**
 * Builds one entry of an opening list whose connection is at `cursor`, or (`isOpen`) of a control request. An open
 * connection has a position even if the client does not know it.
 */
export function toEntry(place: Place, cursor: Cursor | undefined, isOpen?: boolean): SubscriptionEntry {
  const { address, key } = place;
  const from = toStart(place, cursor, isOpen);
  return { address, key, ...(from && { from }) };
}

function toStart(place: Place, cursor: Cursor | undefined, isOpen?: boolean): string | undefined {
  const { event, from, at, mark, restart } = place;
  // Stream without ids: the server runs it again only for a request without a mark.
  if (mark === '~' && restart) return undefined;
  if (mark !== undefined) return mark;
  if (at) return sharesCursor(place, cursor) ? undefined : toText(at);
  return from ?? /* seam: new-entry-at-now */ ((cursor || isOpen) && event === undefined ? 'now' : undefined);
}

/**
 * Sorts entries with a replay first. The server sends each frame of an event name once, from the start of the first
 * entry with that name.
 */
export function toOrder<P extends Place>(places: Iterable<P>, cursor: Cursor | undefined): P[] {
  const rank = (place: P) => {
    const startsNow = place.at === undefined && (place.from ?? 'now') === 'now';
    return Number(startsNow || sharesCursor(place, cursor));
  };
  return [...places].sort((a, b) => rank(a) - rank(b));
}

function sharesCursor({ at, apart }: Place, cursor: Cursor | undefined): boolean {
  return isAtOrBefore(at, cursor) && /* seam: own-cursor-in-rewind */ !apart;
}

/**
 * Whether the server will announce a gap because the given cursor is unusable. Until the gap arrives the entry has no
 * position. After a disconnect before the gap, it sends the same `from` again.
 */
export function awaitsGap({ from }: Place, start: Cursor | undefined): boolean {
  const isGiven = from !== undefined && from !== 'now' && from !== 'earliest';
  return isGiven && !isAtOrBefore(parseCursor(from), start);
}

/** Whether events are missing between the entry's position and the event with this cursor. */
export function isBehindHole({ at }: Place, cursor: Cursor): boolean {
  const { epoch, prev } = cursor;
  return (
    at !== undefined &&
    !isAtOrBefore({ epoch, position: prev ?? at.position }, at) &&
    !isAtOrBefore(cursor, at)
  );
}
