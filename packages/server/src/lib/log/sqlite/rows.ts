/** Rows of a SQLite log as events, and its sequence numbers as positions. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import type { LogEvent } from '../log.ts';
import type { EventRow } from './schema.ts';

export function toEvent({ position, address, prev, data }: EventRow): LogEvent {
  return {
    address,
    data,
    position: toPosition(position),
    prev: prev === null ? undefined : toPosition(prev),
  };
}

export function toPosition(sequence: number): Position {
  return sequence === 0 ? BEGINNING : sequence.toString(36);
}

/** A position may be untrusted input. A number too large to be exact becomes the largest one, past every event. */
export function toNumber(position: Position): number {
  return Math.min(parseInt(position, 36), Number.MAX_SAFE_INTEGER);
}
