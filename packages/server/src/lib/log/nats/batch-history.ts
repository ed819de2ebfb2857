/** The newest batches of a log: they tell whether its history contains a position. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';

/** Batches that are remembered at least. */
const MAX_BATCHES = 10_000;
const TAG_DIGITS = 4;

/** `other`: the log has another event with that number, or none. `unknown`: it is older than the history. */
export type Verdict = 'contained' | 'other' | 'unknown';

export class BatchHistory {
  /** Number of the first event of each batch. */
  #firsts: number[] = [];
  #tags: string[] = [];
  /** Number of the newest event. */
  #newest = 0;

  get newest(): Position {
    return this.positionOf(this.#newest);
  }

  get newestNumber(): number {
    return this.#newest;
  }

  /** Number of the first event that can be checked. */
  get oldestNumber(): number {
    return this.#firsts[0] ?? this.#newest + 1;
  }

  add(first: number, count: number, tag: string): void {
    this.#newest = first + count - 1;
    if (count === 0) return;
    this.#firsts.push(first);
    this.#tags.push(tag);
    if (this.#firsts.length < 2 * MAX_BATCHES) return;
    this.#firsts = this.#firsts.slice(-MAX_BATCHES);
    this.#tags = this.#tags.slice(-MAX_BATCHES);
  }

  /** Position of an event of the history. An event before it has a tag that no batch has. */
  positionOf(number: number): Position {
    if (number === 0) return BEGINNING;
    return toPosition(number, this.#tags[this.#indexOf(number)] ?? '0'.repeat(TAG_DIGITS));
  }

  check(position: Position): Verdict {
    const number = numberOf(position);
    if (number === 0) return position === BEGINNING ? 'contained' : 'other';
    if (number > this.#newest) return 'other';
    if (number < this.oldestNumber) return 'unknown';
    return this.positionOf(number) === position ? 'contained' : 'other';
  }

  /** The batches before an event, for a snapshot. */
  before(number: number): { firsts: number[]; tags: string } {
    const end =
      this.#firsts[this.#indexOf(number)] === number ? this.#indexOf(number) : this.#indexOf(number) + 1;
    const start = Math.max(0, end - MAX_BATCHES);
    const firsts = this.#firsts.slice(start, end);
    return {
      firsts: firsts.map((first, index) => first - (firsts[index - 1] ?? 0)),
      tags: this.#tags.slice(start, end).join(''),
    };
  }

  restore(firsts: readonly number[], tags: string, newest: number): void {
    let first = 0;
    this.#firsts = firsts.map((difference) => (first += difference));
    this.#tags = firsts.map((_, index) => tags.slice(index * TAG_DIGITS, (index + 1) * TAG_DIGITS));
    this.#newest = newest;
  }

  /** The batch that has an event. -1: it is before the history. */
  #indexOf(number: number): number {
    let low = 0;
    let high = this.#firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firsts[middle]! <= number) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

export function toPosition(number: number, tag: string): Position {
  return number.toString(36) + tag;
}

/** The number of the event at a position, from 1. */
export function numberOf(position: Position): number {
  return position.length > TAG_DIGITS ? parseInt(position.slice(0, -TAG_DIGITS), 36) : 0;
}
