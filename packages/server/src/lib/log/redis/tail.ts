/** Reads the entries of the tail's stream: the newest batches of a Redis log. */
import { streamEntries } from '../../database/redis/stream-entries.ts';
import type { LogCursor } from '../log.ts';
import type { TailEvent } from '../remote/remote-store.ts';
import { readRecord, readSpot, type Spot } from './positions.ts';

interface TailEntry {
  readonly id: string;
  readonly epoch: string;
  /** Position before the batch. */
  readonly before: Spot;
  /** Its last position. */
  readonly last: Spot;
  /** Empty if the batch was too large for the tail, or if the entry only names a new epoch. */
  readonly records: readonly string[];
}

/** The part of the tail past a position. */
export interface TailRun {
  readonly events: readonly TailEvent[];
  readonly through: Spot;
  /** Id of the last entry that was used whole. */
  readonly id: string;
}

export interface TailLimits {
  readonly limit: number;
  readonly maxBytes: number;
}

/**
 * Follows the entries past `after`, as long as each continues the one before.
 *
 * @returns `undefined` if nothing continues `after`: the scripts decide what has happened.
 */
export function followEntries(
  reply: unknown,
  after: Spot,
  known: LogCursor & { readonly spot: Spot },
  { limit, maxBytes }: TailLimits,
): TailRun | undefined {
  const events: TailEvent[] = [];
  let through = after;
  let id: string | undefined;
  let bytes = 0;
  for (const entry of readEntries(reply)) {
    if (entry.epoch !== known.epoch || !continues(entry, through) || contradicts(entry, known.spot)) break;
    const isMarker = isSame(entry.before, entry.last);
    if (!isMarker && entry.records.length === 0) break;
    const first = entry.last.sequence - entry.records.length + 1;
    for (const [index, record] of entry.records.entries()) {
      if (first + index <= through.sequence) continue;
      const event = readRecord(first + index, record);
      bytes += event.data.length;
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes)) {
        return { events, through: spotIn(entry, first + index - 1), id: '' };
      }
      events.push(event);
    }
    through = isMarker ? through : entry.last;
    id = entry.id;
  }
  return id === undefined ? undefined : { events, through, id };
}

function spotIn({ last, before }: TailEntry, sequence: number): Spot {
  return sequence === before.sequence ? before : { sequence, tag: last.tag };
}

function continues({ before, last }: TailEntry, through: Spot): boolean {
  if (isSame(before, through)) return true;
  // The last read ended within this batch.
  return before.sequence < through.sequence && through.sequence < last.sequence && through.tag === last.tag;
}

/** Whether the batch has the sequence of a known event, but is another one. */
function contradicts({ before, last }: TailEntry, known: Spot): boolean {
  return before.sequence < known.sequence && known.sequence <= last.sequence && known.tag !== last.tag;
}

function isSame(a: Spot, b: Spot): boolean {
  return a.sequence === b.sequence && a.tag === b.tag;
}

function* readEntries(reply: unknown): Generator<TailEntry> {
  for (const [id, fields] of streamEntries(reply)) {
    const isOurs = fields[0] === 'e' && fields[2] === 'b';
    const before = readSpot(isOurs ? fields[3]! : '');
    const last = readSpot(id);
    // Only an entry of a new epoch has the sequence of the position before it.
    const isMarker = isOurs && last.sequence === before.sequence;
    yield {
      id,
      epoch: isOurs ? fields[1]! : '',
      before,
      last: isMarker ? before : last,
      records: fields.slice(4).filter((_, index) => index % 2 === 1),
    };
  }
}
