/** Where a subscription starts: turns `from` and the connection's cursor into a position, or into a gap (PROTOCOL §5). */
import { BEGINNING, comparePositions, parseEventId, type Cursor, type Position } from '@linefeed/shared/wire';
import type { Admitted } from './admission.ts';
import type { Hub } from './hub.ts';
import { laterOf, type PendingGap } from './track.ts';

/** Where a logged subscription starts. */
export interface Start {
  readonly position: Position | 'now';
  readonly gap?: PendingGap | undefined;
}

/** A logged address to be delivered on a connection. */
export interface LoggedStart extends Start {
  /** Its address, which is its event name. */
  readonly event: string;
  readonly asked: string;
  /** Echoed, so that a client that asks twice for one address knows which is answered. */
  readonly key: string | undefined;
  /** `keep: 'latest'`: whatever it starts from, the newest value is worth having. */
  readonly isLatest: boolean;
  /** It has a start of its own, apart from the connection's cursor. */
  readonly own: boolean;
}

/** What the connection's own cursor comes to. */
export interface SharedStart extends Start {
  /** The cursor can be used: delivery goes on behind it. */
  readonly resumed: Position | undefined;
}

/** What a log answered when it was asked how far it goes, with the numbering of this position. */
export type Reach = Pick<Cursor, 'epoch' | 'position'>;

/** A log and a tail that still disagree after so many looks are not waited for: the cursor becomes a gap. */
const MAX_LOOKS = 100;

/**
 * Asks the log how far it goes, where one of these cursors is ahead of this process's tail: another process may be
 * further. The answer waits; nothing else about a cursor is decided here, because the numbering may change meanwhile.
 */
export async function readReach(
  hub: Hub,
  texts: ReadonlyArray<string | undefined>,
): Promise<Reach | undefined> {
  const cursors = texts.flatMap((text) => (text && parseEventId(text).cursor) || []);
  for (let look = 0; look < MAX_LOOKS && !hub.closed; look += 1) {
    const { epoch, log } = hub;
    const isAhead = cursors.some(
      (cursor) => cursor.epoch === epoch && comparePositions(cursor.position, hub.position) > 0,
    );
    if (isAhead) {
      const position = await log.position();
      // Only then is it certain which numbering the position belongs to.
      if (log.epoch === epoch && hub.epoch === epoch) return { epoch, position };
    } else if (log.epoch === epoch || !cursors.some((cursor) => cursor.epoch === log.epoch)) return undefined;
    // The log has another numbering already, and the tail is about to tell.
    if (log.epoch !== hub.epoch) await hub.changed();
  }
  return undefined;
}

/**
 * Decides on a cursor with what the hub knows at this moment: nothing may be awaited between this and the use of its
 * result. A cursor comes from outside: one that cannot be used becomes a gap, never an error.
 */
export function resolveCursor(hub: Hub, text: string, reach: Reach | undefined): SharedStart {
  const { cursor } = parseEventId(text);
  const gapAt = (position: Position | 'now', reason: 'unknown' | 'epoch' | 'future'): SharedStart => ({
    resumed: undefined,
    position,
    gap: { from: cursor === undefined ? '' : text.slice(0, 64), reason },
  });
  if (cursor === undefined) return gapAt('now', 'unknown');
  // Every event of the new log is new to this client.
  if (cursor.epoch !== hub.epoch) return gapAt(BEGINNING, 'epoch');
  const { position } = cursor;
  const newest = reach?.epoch === hub.epoch ? laterOf(reach.position, hub.position) : hub.position;
  // Another node may be ahead of this one's tail; the log itself decides.
  if (comparePositions(position, newest) > 0) return gapAt('now', 'future');
  return { resumed: position, position };
}

/** Where the entries without a `from` of their own start. */
export function resolveShared(
  hub: Hub,
  lastEventId: string | undefined,
  reach: Reach | undefined,
): SharedStart {
  // A bare stream mark has no cursor in front, and asks nothing of the log.
  if (lastEventId === undefined || lastEventId.startsWith('~'))
    return { resumed: undefined, position: 'now' };
  return resolveCursor(hub, lastEventId, reach);
}

/** Where one logged entry starts. */
export function resolveStart(
  hub: Hub,
  entry: Admitted,
  shared: SharedStart,
  reach: Reach | undefined,
): LoggedStart {
  const { event, asked, key, from, definition } = entry;
  const isLatest = definition.keep === 'latest';
  const base = { event, asked, key, isLatest };
  // Of `keep: 'latest'`, whoever starts now gets the newest value first, after a gap too.
  const fromNow = isLatest ? BEGINNING : 'now';
  if (from === 'now') return { ...base, position: fromNow, own: true };
  if (from === 'earliest') return { ...base, position: BEGINNING, own: true };
  const { position, gap } = from === undefined ? shared : resolveCursor(hub, from, reach);
  const own = from !== undefined || (isLatest && position === 'now');
  return { ...base, position: position === 'now' ? fromNow : position, gap, own };
}

/**
 * Entries that come to one event name are delivered once, from the earliest of their starts. Their order makes no
 * difference: a proxy may have changed it.
 */
export function mergeStarts(asked: readonly LoggedStart[], tail: Position): Iterable<LoggedStart> {
  const merged = new Map<string, LoggedStart>();
  for (const start of asked) {
    const other = merged.get(start.event);
    merged.set(start.event, other === undefined ? start : merge(start, other, tail));
  }
  return merged.values();
}

function merge(a: LoggedStart, b: LoggedStart, tail: Position): LoggedStart {
  const order = comparePositions(positionOf(a, tail), positionOf(b, tail));
  const { position } = order < 0 ? a : b;
  // A start of its own is delivered from there. Any other waits for the connection's cursor, if that is later.
  const own = order === 0 ? a.own || b.own : (order < 0 ? a : b).own;
  return { ...a, position, own, gap: firstGap(a.gap, b.gap) };
}

function firstGap(a: PendingGap | undefined, b: PendingGap | undefined): PendingGap | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return `${a.reason} ${a.from}` <= `${b.reason} ${b.from}` ? a : b;
}

export function positionOf({ position }: Start, tail: Position): Position {
  return position === 'now' ? tail : position;
}
