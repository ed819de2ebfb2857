/** Where a subscription starts: turns `from` and the connection's cursor into a position, or into a gap (PROTOCOL §5). */
import { BEGINNING, comparePositions, parseEventId, type Position } from '@linefeed/shared/wire';
import type { Admitted } from './admission.ts';
import type { LoggedStart, Start } from './delivery.ts';
import type { Hub } from './hub.ts';

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
