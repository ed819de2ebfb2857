/** Positions of one address in a SQLite log, fetched in growing batches: a page takes only few from most addresses. */
import type { StatementSync } from 'node:sqlite';
import type { Run } from '../k-way-merge.ts';
import type { AddressRow } from './schema.ts';

export class AddressRun implements Run {
  head: number = Infinity;
  readonly address: string;
  readonly #positions: StatementSync;
  readonly #row: AddressRow;
  #step: number;
  #fetched: number[];
  #index = -1;
  /** No position follows the fetched ones. */
  #whole = false;

  constructor(positions: StatementSync, row: AddressRow, from: number, step: number) {
    this.address = row.name;
    this.#positions = positions;
    this.#row = row;
    this.#step = step;
    this.#fetched = this.#fetch(from);
    this.take();
  }

  take(): void {
    this.#index += 1;
    if (this.#index === this.#fetched.length && !this.#whole) {
      this.#fetched = this.#fetch(this.head);
      this.#index = 0;
    }
    this.head = this.#fetched[this.#index] ?? Infinity;
  }

  #fetch(from: number): number[] {
    const { id, held, latest } = this.#row;
    const rows =
      held === 0 ? [] : (this.#positions.all(id, from, this.#step) as unknown as { position: number }[]);
    this.#whole = rows.length < this.#step;
    this.#step *= 4;
    const positions = rows.map(({ position }) => position);
    // An address has both kinds if the topic's `keep` was changed. A value supersedes earlier events, so it is the
    // first.
    if (latest > from) positions.unshift(latest);
    return positions;
  }
}
