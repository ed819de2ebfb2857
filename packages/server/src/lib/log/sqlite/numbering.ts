/** The epoch and the last position that this process knows of a SQLite log, compared with those in the file. */
import type { Meta } from './schema.ts';
import type { SqliteStore } from './store.ts';

export class Numbering {
  #epoch: string;
  /** The tail listeners have every event up to this position. */
  position: number;
  /** The file was replaced, and its numbering is not compared yet: it may be an older copy. */
  #replaced = false;

  constructor({ epoch, sequence }: Meta) {
    this.#epoch = epoch;
    this.position = sequence;
  }

  get epoch(): string {
    return this.#epoch;
  }

  get isReplaced(): boolean {
    return this.#replaced;
  }

  /** The next comparison cannot trust the epoch: an older copy has the same one. */
  fileReplaced(): void {
    this.#replaced = true;
  }

  differsFrom({ epoch, sequence }: Meta): boolean {
    return this.#replaced || epoch !== this.#epoch || sequence < this.position;
  }

  /**
   * Determines how the numbering changed, and takes the one of the file. An older copy of the file gets a new epoch.
   * If the file is busy it throws, and the next caller repeats it.
   *
   * @returns the reason for which tail listeners are reset; `undefined` if the numbering is the same.
   */
  update(store: SqliteStore): 'rollback' | 'epoch' | undefined {
    let meta = store.meta();
    if (meta.epoch === this.#epoch) {
      meta = store.transact('write', () => {
        const { epoch, sequence } = store.meta();
        const wentBack = epoch === this.#epoch && (this.#replaced || sequence < this.position);
        if (wentBack) store.beginAnew(epoch);
        return store.meta();
      });
    }
    this.#replaced = false;
    if (meta.epoch === this.#epoch) return undefined;
    const reason = meta.parent === this.#epoch ? 'rollback' : 'epoch';
    this.#epoch = meta.epoch;
    this.position = meta.sequence;
    return reason;
  }
}
