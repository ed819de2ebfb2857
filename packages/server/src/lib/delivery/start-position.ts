/** Resolves `from` and the connection's cursor into a start position or a gap (PROTOCOL §5). */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  parseEventId,
  type Cursor,
  type GapReason,
  type Position,
} from '@linefeed/shared/wire';
import type { Hub } from './hub.ts';
import { laterOf } from '../base/position.ts';
import type { LogCursor } from '../log/log.ts';
import type { PendingGap } from './replay-track.ts';

/** Where a logged subscription starts. */
export interface Start {
  readonly position: Position | 'now';
  readonly gap?: PendingGap | undefined;
}

/** A logged address to deliver on a connection. */
export interface LoggedStart extends Start {
  /** Also the event name of its frames. */
  readonly address: string;
  readonly asked: string;
  /** Repeated in the answer. A client that requests one address twice uses it to match the answers. */
  readonly key: string | undefined;
  /** `keep: 'latest'`: the newest value is delivered, whatever the start. */
  readonly isLatest: boolean;
  /** The entry has a start of its own, independent of the connection's cursor. */
  readonly own: boolean;
}

/** A logged entry of a request, as far as its start is concerned. */
export interface LoggedEntry extends Pick<LoggedStart, 'address' | 'asked' | 'key'> {
  /** `now`, `earliest` or a cursor. */
  readonly from: string | undefined;
  readonly definition: { readonly keep: 'all' | 'latest' };
}

/** The start that the connection's own cursor resolves to. */
export interface SharedStart extends Start {
  /** Set if the cursor can be used. Delivery continues past this position. */
  readonly resumed: Position | undefined;
}

/** The answers of the log about the cursors of a request. */
export interface Reach {
  /** The log's newest position, if one of the cursors was ahead of this process. */
  readonly newest: LogCursor | undefined;
  /** The cursors that the log contains. `undefined`: it contains each position up to the newest one. */
  readonly contained: ReadonlySet<string> | undefined;
}

/**
 * Retry limit. A log and a tail that still disagree after this many reads are not waited for: the cursor becomes a gap.
 */
const MAX_READS = 100;

/**
 * Asks the log about these cursors: its newest position if one is ahead of this process's tail, since another process
 * may be further, and whether it contains them. The answers decide nothing, because the numbering may change during the
 * wait.
 *
 * @throws The error of a log that cannot be read at the moment.
 */
export async function readReach(
  hub: Hub,
  texts: ReadonlyArray<string | undefined>,
): Promise<Reach | undefined> {
  const cursors = texts.flatMap((text) => (text && parseEventId(text).cursor) || []);
  if (cursors.length === 0) return undefined;
  const newest = await readNewest(hub, cursors);
  return { newest, contained: await readContained(hub, cursors) };
}

async function readNewest(hub: Hub, cursors: readonly Cursor[]): Promise<LogCursor | undefined> {
  for (let read = 0; read < MAX_READS && !hub.closed; read += 1) {
    const { epoch, log } = hub;
    const isAhead = cursors.some(
      (cursor) => cursor.epoch === epoch && comparePositions(cursor.position, hub.position) > 0,
    );
    if (isAhead) {
      const newest = await log.newest();
      if (newest.epoch === hub.epoch) return newest;
    } else if (log.epoch === epoch || !cursors.some((cursor) => cursor.epoch === log.epoch)) return undefined;
    // The log has a new numbering already, and the tail will report it.
    if (log.epoch !== hub.epoch) await hub.changed();
  }
  return undefined;
}

async function readContained(hub: Hub, cursors: readonly Cursor[]): Promise<Reach['contained']> {
  const { epoch, log } = hub;
  if (log.contains === undefined) return undefined;
  const positions = new Set(cursors.flatMap((cursor) => (cursor.epoch === epoch ? cursor.position : [])));
  const contained = new Set<string>();
  const asked = [...positions].map(async (position) => {
    if (await log.contains!(position)) contained.add(formatCursor(epoch, position));
  });
  await Promise.all(asked);
  return contained;
}

/**
 * Resolves a cursor against the current state of the hub. The caller must use the result before its next await. A
 * cursor comes from outside: one that cannot be used becomes a gap, never an error.
 */
export function resolveCursor(hub: Hub, text: string, reach: Reach | undefined): SharedStart {
  const { cursor } = parseEventId(text);
  const gapAt = (position: Position | 'now', reason: GapReason): SharedStart => ({
    resumed: undefined,
    position,
    gap: { from: cursor === undefined ? '' : text.slice(0, 64), reason },
  });
  if (cursor === undefined) return gapAt('now', 'unknown');
  // Every event of the new log is new to this client.
  if (/* seam: cursor-of-this-epoch */ cursor.epoch !== hub.epoch) return gapAt(BEGINNING, 'epoch');
  const { position } = cursor;
  // The event of the cursor was lost, and the log may have other events at its place. They are new to this client.
  if (/* seam: lost-cursor-is-a-gap */ !isContained(reach, cursor)) return gapAt(BEGINNING, 'rollback');
  const newest =
    reach?.newest?.epoch === hub.epoch ? laterOf(reach.newest.position, hub.position) : hub.position;
  // Past the newest position of the tail and of the log: no event has this position yet.
  if (comparePositions(position, newest) > 0) return gapAt('now', 'future');
  return { resumed: position, position };
}

/** A cursor that the log was not asked about counts as lost: its numbering has become the present one meanwhile. */
function isContained(reach: Reach | undefined, { epoch, position }: Cursor): boolean {
  return reach?.contained?.has(formatCursor(epoch, position)) ?? true;
}

/** The start of entries without a `from` of their own. */
export function resolveShared(
  hub: Hub,
  lastEventId: string | undefined,
  reach: Reach | undefined,
): SharedStart {
  // A bare stream mark contains no cursor, so nothing is resolved in the log.
  if (lastEventId === undefined || lastEventId.startsWith('~'))
    return { resumed: undefined, position: 'now' };
  return resolveCursor(hub, lastEventId, reach);
}

/** Where one logged entry starts. */
export function resolveStart(
  hub: Hub,
  entry: LoggedEntry,
  shared: SharedStart,
  reach: Reach | undefined,
): LoggedStart {
  const { address, asked, key, from, definition } = entry;
  const isLatest = definition.keep === 'latest';
  const base = { address, asked, key, isLatest };
  // With `keep: 'latest'`, a start at `now` delivers the newest value first, after a gap too.
  const fromNow = /* seam: newest-value-first */ isLatest ? BEGINNING : 'now';
  if (from === 'now') return { ...base, position: fromNow, own: true };
  if (from === 'earliest') return { ...base, position: BEGINNING, own: true };
  const { position, gap } = from === undefined ? shared : resolveCursor(hub, from, reach);
  const own = from !== undefined || (isLatest && position === 'now');
  return { ...base, position: position === 'now' ? fromNow : position, gap, own };
}

/**
 * Entries with the same event name are delivered once, from the earliest of their starts. The result does not depend on
 * their order: a proxy may have changed it.
 */
export function mergeStarts(asked: readonly LoggedStart[], tail: Position): Iterable<LoggedStart> {
  const merged = new Map<string, LoggedStart>();
  for (const start of asked) {
    const other = merged.get(start.address);
    merged.set(start.address, other === undefined ? start : merge(start, other, tail));
  }
  return merged.values();
}

function merge(a: LoggedStart, b: LoggedStart, tail: Position): LoggedStart {
  const order = comparePositions(positionOf(a, tail), positionOf(b, tail));
  const { position } = order < 0 ? a : b;
  // An entry with a start of its own is delivered from there. Any other starts at the connection's cursor, if that is
  // later.
  const own = order === 0 ? a.own || b.own : (order < 0 ? a : b).own;
  return { ...a, position, own, gap: firstGap(a.gap, b.gap) };
}

function firstGap(a: PendingGap | undefined, b: PendingGap | undefined): PendingGap | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  // A client ignores other gaps that end before its position, and then the events at the place of the lost ones.
  const rank = ({ reason, from }: PendingGap): string => `${reason === 'rollback' ? 0 : 1} ${reason} ${from}`;
  return rank(a) <= rank(b) ? a : b;
}

export function positionOf({ position }: Start, tail: Position): Position {
  return position === 'now' ? tail : position;
}
