/** Answers the logged entries of a request, and starts their delivery. */
import { comparePositions, FRAME, type Position, type Subscribed } from '@linefeed/shared/wire';
import { earlierOf } from '../base/position.ts';
import type { LoggedDelivery } from './live-or-replay.ts';
import { mergeStarts, positionOf, type LoggedStart } from './start-position.ts';

/**
 * Decides where the connection's cursor starts. `resumed`: the position of a cursor that can be used. A client that
 * gives an entry a key stores that entry's position itself. Other clients have only the ids, so the cursor must not
 * pass the earliest of their starts.
 */
export function sharedPosition(
  resumed: Position | undefined,
  asked: readonly LoggedStart[],
  tail: Position,
): Position {
  const sharing =
    resumed === undefined
      ? asked
      : /* seam: one-cursor-for-keyless */ asked.filter(({ key }) => key === undefined);
  const positions = sharing.map((start) => positionOf(start, tail));
  return positions.reduce(earlierOf, resumed ?? positions[0] ?? tail);
}

/** Writes a `subscribed` frame for each entry of an opening, and starts each event name once. */
export function acceptEntries(delivery: LoggedDelivery, asked: readonly LoggedStart[]): void {
  const merged = [...mergeStarts(asked, delivery.hub.position)];
  for (const start of asked) {
    // The gap ends where the event name starts, so `subscribed` gives that position.
    const first = start.gap && merged.find(({ address }) => address === start.address);
    answer(delivery, start, undefined, delivery.startOf(first ?? start));
  }
  for (const start of merged) delivery.deliverFrom(start);
}

/**
 * Adds a logged address for control request `n`. Two requested addresses may have one event name. Its events are
 * delivered once. An earlier start replays all of them from there, and `subscribed` then states that start.
 */
export function addEntry(delivery: LoggedDelivery, start: LoggedStart, n: number): void {
  if (delivery.closed) return;
  const { address, gap } = start;
  const reached = delivery.positionOf(address);
  const position = delivery.startOf(start);
  if (reached === undefined) {
    answer(delivery, start, n, position);
    return delivery.deliverFrom(start);
  }
  if (comparePositions(position, reached) < 0) {
    const pending = delivery.remove(address);
    answer(delivery, start, n, position);
    return delivery.deliverFrom({ ...start, gap: pending ?? gap });
  }
  if (gap === undefined) return answer(delivery, start, n, position);
  // The gap ends at the current delivery position. On a replaying connection this is earlier than the tail.
  answer(delivery, start, n, reached);
  delivery.announceGaps([{ address, from: { cursor: gap.from }, to: reached, reason: gap.reason }]);
}

function answer(
  delivery: LoggedDelivery,
  { asked, address, key }: LoggedStart,
  n: number | undefined,
  position: Position,
): void {
  const { hub } = delivery;
  const isRewind =
    delivery.positionOf(address) === undefined && comparePositions(position, delivery.position) < 0;
  delivery.port.control(FRAME.subscribed, {
    address: asked,
    event: address,
    ...(key === undefined ? {} : { key }),
    ...(n === undefined ? {} : { n }),
    cursor: hub.cursorAt(position),
    tail: hub.cursor,
    ...(isRewind ? { rewind: true as const } : {}),
  } satisfies Subscribed);
}
