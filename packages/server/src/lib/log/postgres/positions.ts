/** Positions as the integers of PostgreSQL: the base-36 digits of a position are one bigint. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { TAGS } from './tables.ts';

/** Numbers of so many decimal digits are exact in a double. */
const EXACT_DIGITS = 15;
/** 2^63 - 1: past every event. A position may be untrusted input. */
const MAX = '9223372036854775807';
const MAX_POSITION: Position = BigInt(MAX).toString(36);
const LOW_DIGITS = 8;

export function toPosition(integer: string): Position {
  if (integer.length <= EXACT_DIGITS) return Number(integer).toString(36);
  return BigInt(integer).toString(36);
}

export function toInteger(position: Position): string {
  const { length } = position;
  if (length <= LOW_DIGITS) return parseInt(position, 36).toString();
  if (length > MAX_POSITION.length || (length === MAX_POSITION.length && position > MAX_POSITION)) return MAX;
  const high = parseInt(position.slice(0, -LOW_DIGITS), 36);
  const low = parseInt(position.slice(-LOW_DIGITS), 36);
  return (BigInt(high) * BigInt(36 ** LOW_DIGITS) + BigInt(low)).toString();
}

/** The position of an event by its sequence and the tag of its batch. */
export function positionOf(sequence: number, tag: number): Position {
  if (sequence === 0) return BEGINNING;
  return sequence.toString(36) + tag.toString(36).padStart(4, '0');
}

/** A random tag for a batch. */
export function randomTag(random: number): number {
  return Math.floor(random * TAGS);
}
