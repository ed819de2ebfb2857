/**
 * Removes messages that are not needed any more. Held events of old messages are stored again, with the watermarks, as a
 * snapshot; then the stream is purged up to there. The stream so has about twice the size of what the log holds.
 */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../../base/position.ts';
import type { SnapshotOrigin, ItemRow, SnapshotPart } from './message.ts';
import { sizeOfItem, type MessageRecord, type View, type ViewEvent } from './view.ts';

/** What must be gained at least, in UTF-16 code units. */
const MIN_GAIN = 1024 * 1024;
/** Size of one mark in a snapshot, without its address. */
const MARK_SIZE = 24;

/**
 * The first sequence to keep. `undefined`: to store a snapshot costs more than it gains. So the
 * stream is at most about twice as large as the log, and each event is stored about twice at most.
 */
export function chooseBase(view: View, minGain: number = MIN_GAIN): number | undefined {
  if (view.deadSize < minGain) return undefined;
  let gain = -markSize(view);
  let best = minGain;
  let base: number | undefined;
  for (const { size, live, sequence } of view.records) {
    gain += size - 2 * live;
    if (gain < best) continue;
    best = gain;
    base = sequence + 1;
  }
  return base;
}

function markSize(view: View): number {
  return view.held.watermarks().reduce((sum, [address]) => sum + address.length + MARK_SIZE, 0);
}

/** The parts of a snapshot, each of about `partSize` code units, but with at least one item. */
export function makeSnapshot(view: View, base: number, group: string, partSize: number): SnapshotPart[] {
  const old = view.held
    .readAll('0', Infinity, Infinity)
    .events.filter(({ record }) => record.sequence < base);
  const items = old.filter(({ record }) => view.isNeeded(record)).map(toItem);
  const marks = marksOf(
    view,
    old.filter(({ record }) => !view.isNeeded(record)),
  );
  const parts: Array<{ items: ItemRow[]; marks: Array<[string, Position]> }> = [{ items: [], marks: [] }];
  let size = 0;
  const partFor = (added: number): (typeof parts)[number] => {
    size += added;
    if (size <= partSize || size === added) return parts.at(-1)!;
    size = added;
    parts.push({ items: [], marks: [] });
    return parts.at(-1)!;
  };
  // The first part has the batches, which take up to half of it.
  for (const mark of marks) partFor(mark[0].length + MARK_SIZE).marks.push(mark);
  for (const item of items) partFor(sizeOfItem(item) + MARK_SIZE).items.push(item);
  return parts.map((part, index) => {
    const origin = index === 0 ? originOf(view, base) : undefined;
    return { group, index, count: parts.length, base, ...part, origin };
  });
}

/**
 * The watermarks of a view. The messages before the last base hold only events that a process with smaller bounds has
 * evicted: the snapshot has them as evicted too.
 */
function marksOf(view: View, evicted: readonly ViewEvent[]): Array<[string, Position]> {
  const marks = new Map(view.held.watermarks());
  for (const { address, position } of evicted)
    marks.set(address, laterOf(marks.get(address) ?? BEGINNING, position));
  return [...marks];
}

function originOf(view: View, base: number): SnapshotOrigin {
  const next: MessageRecord | undefined = view.records.find(({ sequence }) => sequence >= base);
  const number = next === undefined ? view.history.newestNumber : next.first - 1;
  return {
    chain: next?.chainBefore ?? view.chain,
    number,
    forgotten: view.held.forgottenThrough,
    ...view.history.before(number + 1),
  };
}

function toItem({ position, address, data, keep, idempotencyKey, prev, appendedAt }: ViewEvent): ItemRow {
  return [
    position,
    address,
    data,
    keep === 'latest' ? 1 : 0,
    idempotencyKey ?? null,
    prev ?? null,
    Math.round(appendedAt),
  ];
}
