/** Converts positions, and the records of events, between the log and its Redis scripts. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { TAG_DIGITS } from '../remote/position.ts';
import type { TailEvent } from '../remote/remote-store.ts';

/** Number of different tags. */
export const TAGS: number = 36 ** TAG_DIGITS;

/** A position as its two numbers. The scripts write it `<sequence>-<tag>`, as an id of a stream. */
export interface Spot {
  readonly sequence: number;
  readonly tag: number;
}

/** Positions shorter than the first one count as the beginning, longer ones than the last as the last. */
export function toSpot(position: Position): Spot {
  if (position.length <= TAG_DIGITS) return { sequence: 0, tag: 0 };
  const sequence = parseInt(position.slice(0, -TAG_DIGITS), 36);
  return {
    sequence: Math.min(sequence, Number.MAX_SAFE_INTEGER),
    tag: parseInt(position.slice(-TAG_DIGITS), 36),
  };
}

export function toPosition({ sequence, tag }: Spot): Position {
  return sequence === 0 ? BEGINNING : sequence.toString(36) + tag.toString(36).padStart(TAG_DIGITS, '0');
}

/** Reads `<sequence>-<tag>`, or `0` for the beginning. */
export function readSpot(text: string): Spot {
  const dash = text.indexOf('-');
  return dash < 0
    ? { sequence: 0, tag: 0 }
    : { sequence: Number(text.slice(0, dash)), tag: Number(text.slice(dash + 1)) };
}

export function readPosition(text: string): Position {
  return toPosition(readSpot(text));
}

/** Id in the stream of the tail. */
export function toStreamId({ sequence, tag }: Spot): string {
  return `${sequence}-${tag}`;
}

/**
 * Reads a record of a script: `<tag> <length of the payload> <prev> <length of the address> <address><payload>`.
 * `prev` is `v` for a value of `latest`, and `?` if it is unknown.
 */
export function readRecord(sequence: number, record: string): TailEvent {
  const first = record.indexOf(' ');
  const second = record.indexOf(' ', first + 1);
  const third = record.indexOf(' ', second + 1);
  const fourth = record.indexOf(' ', third + 1);
  const prev = record.slice(second + 1, third);
  const end = fourth + 1 + Number(record.slice(third + 1, fourth));
  return {
    address: record.slice(fourth + 1, end),
    data: record.slice(end),
    position: toPosition({ sequence, tag: Number(record.slice(0, first)) }),
    prev: prev === 'v' || prev === '?' ? undefined : readPosition(prev),
    keep: prev === 'v' ? 'latest' : 'all',
  };
}

/** Reads sequences and records, one after the other. */
export function readRecords(list: ReadonlyArray<number | string>): TailEvent[] {
  const events: TailEvent[] = [];
  for (let index = 0; index < list.length; index += 2)
    events.push(readRecord(Number(list[index]), list[index + 1] as string));
  return events;
}
