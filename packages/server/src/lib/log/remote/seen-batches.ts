/** The newest batches that the tail has seen. They recognise a position without a round trip. */
import type { Position } from '@linefeed/shared/wire';
import { sequenceOf, tagOf } from './position.ts';

/** Batches that are remembered: those of the newest events. */
const MAX_BATCHES = 10_000;

/** Events of one batch that were seen: from one sequence to another. */
interface SeenBatch {
  readonly tag: string;
  readonly first: number;
  last: number;
}

/** `other`: the log has another event at that sequence. `unknown`: it is not among the batches that were seen. */
export type Verdict = 'contained' | 'other' | 'unknown';

export class SeenBatches {
  #batches: SeenBatch[] = [];

  clear(): void {
    this.#batches = [];
  }

  /** Adds a position that the tail brought. They come in order. */
  add(position: Position): void {
    const sequence = sequenceOf(position);
    const tag = tagOf(position);
    const newest = this.#batches.at(-1);
    if (sequence === 0 || (newest !== undefined && sequence <= newest.last)) return;
    if (newest?.tag === tag) newest.last = sequence;
    else this.#batches.push({ tag, first: sequence, last: sequence });
    if (this.#batches.length >= 2 * MAX_BATCHES) this.#batches = this.#batches.slice(-MAX_BATCHES);
  }

  check(position: Position): Verdict {
    const sequence = sequenceOf(position);
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.first <= sequence) low = middle + 1;
      else high = middle;
    }
    const batch = this.#batches[low - 1];
    if (batch === undefined || sequence > batch.last) return 'unknown';
    return batch.tag === tagOf(position) ? 'contained' : 'other';
  }
}
