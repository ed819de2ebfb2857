/** Where a subscription starts: turns `from` and the connection's cursor into a position, or into a gap (PROTOCOL §5). */
import { BEGINNING, comparePositions, parseEventId, type Position } from '@linefeed/shared/wire';
import type { Admitted } from './admission.ts';
import type { Hub } from './hub.ts';
import type { PendingGap } from './track.ts';

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

/** Reads a cursor. It comes from outside: whatever cannot be used becomes a gap, never an error. */
export async function resolveCursor(hub: Hub, text: string): Promise<SharedStart> {
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
  // Another node may be ahead of this one's tail; the log itself decides.
  if (
    comparePositions(position, hub.position) > 0 &&
    comparePositions(position, await hub.log.position()) > 0
  ) {
    return gapAt('now', 'future');
  }
  return { resumed: position, position };
}

/** Where the entries without a `from` of their own start. */
export async function resolveShared(hub: Hub, lastEventId: string | undefined): Promise<SharedStart> {
  // A bare stream mark has no cursor in front, and asks nothing of the log.
  if (lastEventId === undefined || lastEventId.startsWith('~'))
    return { resumed: undefined, position: 'now' };
  return await resolveCursor(hub, lastEventId);
}

/** Where one logged entry starts. */
export async function resolveStart(hub: Hub, entry: Admitted, shared: SharedStart): Promise<LoggedStart> {
  const { event, asked, key, from, definition } = entry;
  const isLatest = definition.keep === 'latest';
  const base = { event, asked, key, isLatest };
  // Of `keep: 'latest'`, whoever starts now gets the newest value first, after a gap too.
  const fromNow = isLatest ? BEGINNING : 'now';
  if (from === 'now') return { ...base, position: fromNow, own: true };
  if (from === 'earliest') return { ...base, position: BEGINNING, own: true };
  const { position, gap } = from === undefined ? shared : await resolveCursor(hub, from);
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
