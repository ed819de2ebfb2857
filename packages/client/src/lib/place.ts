/** Where the addresses of a connection stand, and what to ask for them. Pure. */
import { encodeAddress, parseCursor, type Cursor, type SubscriptionEntry } from '@linefeed/shared/wire';
import type { Opening } from './transport.ts';

/** One entry of the subscription list and its place in the log. */
export interface Place {
  /** As asked. */
  readonly address: string;
  /** Names a stream; a logged address ignores it. The client has no schema to tell them apart at first. */
  readonly key: string;
  /** As the user asked. */
  readonly from: string | undefined;
  /** Stream: run it again though it delivered without ids. */
  restart?: boolean | undefined;
  /** The name its frames bear; unknown until `subscribed`. */
  event?: string | undefined;
  /** Logged: the last event received, or where delivery starts. */
  at?: Cursor | undefined;
  /** Logged: in an order of its own, so that the connection's cursor says nothing about it. */
  apart?: boolean | undefined;
  /** Logged: in step again; what came of it before, in an order of its own, is still being handled. */
  catching?: object | undefined;
  /** Logged: where the log stood when it was accepted. */
  tail?: Cursor | undefined;
  /** Stream: the end of its last id, from the tilde on. */
  mark?: string | undefined;
}

/** Whether `a` is known to be at or before `b`. */
export function isAtOrBefore(a: Cursor | undefined, b: Cursor | undefined): boolean {
  return (
    a !== undefined &&
    a.epoch === b?.epoch &&
    (a.position.length - b.position.length || Number(a.position > b.position)) <= 0
  );
}

/** A cursor as it goes out: nobody needs to know where the event before it stood. */
export function toText(cursor: Cursor): string;
export function toText(cursor: Cursor | undefined): string | undefined;
export function toText(cursor: Cursor | undefined): string | undefined {
  return cursor && `${cursor.epoch}.${cursor.position}`;
}

/** What tells subscriptions apart, without an error where the params make no address: subscribing is refused then. */
export function toAddressKey(topic: string, params: unknown): string {
  try {
    return encodeAddress(topic, params as object | undefined);
  } catch {
    return `${topic} `;
  }
}

/** `from` as the user gives it. The id of a stream's event must not look like the mark of one. */
export function toFrom(from: string): string {
  const text = encodeURIComponent(from);
  return from.includes('~') ? `~${text.replaceAll('~', '%7E')}` : from;
}

/**
 * What to open with. An address that shares the connection's cursor says nothing of its own; one that stands elsewhere
 * sends its own cursor; one that was never accepted starts `now`, so that an old cursor does not replay its past.
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
 * One entry of an opening list on a connection that stands at `cursor`, or (`isOpen`) of a control request: an open
 * connection stands somewhere, known or not.
 */
export function toEntry(place: Place, cursor: Cursor | undefined, isOpen?: boolean): SubscriptionEntry {
  const { address, key } = place;
  const from = toStart(place, cursor, isOpen);
  return { address, key, ...(from && { from }) };
}

function toStart(place: Place, cursor: Cursor | undefined, isOpen?: boolean): string | undefined {
  const { event, from, at, mark, restart } = place;
  // Delivered without ids: the server runs it again only if it is asked as if for the first time.
  if (mark === '~' && restart) return undefined;
  if (mark !== undefined) return mark;
  if (at) return sharesCursor(place, cursor) ? undefined : toText(at);
  return from ?? ((cursor || isOpen) && event === undefined ? 'now' : undefined);
}

/**
 * The order to ask in. Frames of one event name come once, from where the first entry that asked for it starts: so
 * whoever asks for a past goes first.
 */
export function toOrder<P extends Place>(places: Iterable<P>, cursor: Cursor | undefined): P[] {
  const rank = (place: P) => {
    const startsNow = place.at === undefined && (place.from ?? 'now') === 'now';
    return Number(startsNow || sharesCursor(place, cursor));
  };
  return [...places].sort((a, b) => rank(a) - rank(b));
}

function sharesCursor({ at, apart }: Place, cursor: Cursor | undefined): boolean {
  return !apart && isAtOrBefore(at, cursor);
}

/**
 * Whether the cursor that an entry was given is of no use, as a gap is about to tell. Until then it stands nowhere: cut in
 * between, it has to ask in the same way again.
 */
export function awaitsGap({ from }: Place, start: Cursor | undefined): boolean {
  const isGiven = from !== undefined && from !== 'now' && from !== 'earliest';
  return isGiven && !isAtOrBefore(parseCursor(from), start);
}

/** Whether an event's cursor says that between it and where a place stands something is missing. */
export function isBehindHole({ at }: Place, cursor: Cursor): boolean {
  const { epoch, prev } = cursor;
  return (
    at !== undefined &&
    !isAtOrBefore({ epoch, position: prev ?? at.position }, at) &&
    !isAtOrBefore(cursor, at)
  );
}
