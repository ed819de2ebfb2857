/**
 * What this process knows of the numbering of a remote log: the epoch, the position of the tail, and the positions past
 * it that were returned to callers. Pure: it decides what an answer of the server means.
 */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import type { LogCursor } from '../log.ts';
import { newerOf, sequenceOf } from './position.ts';
import type { ServerHead } from './remote-store.ts';
import { SeenBatches } from './seen-batches.ts';

/** Limits of what is remembered. The oldest is dropped first. */
const MAX_CLAIMS = 1_000;
const MAX_LEFT_EPOCHS = 1_000;

/** The numbering has changed. Tail listeners continue past `newest`. */
export interface Renumbering {
  readonly reason: 'rollback' | 'epoch';
  readonly newest: LogCursor;
}

/**
 * The meaning of an answer.
 *
 * - `same`: nothing changed.
 * - `late`: the answer belongs to a numbering that was left.
 * - `unclear`: the call was made in a numbering that was left, and the answer names one that is not known. It may be the
 *   newest one, or one between.
 * - `returned`: the server has a numbering that was left. An older replica or a backup has replaced the log.
 */
export type Meaning = 'same' | 'late' | 'unclear' | 'returned' | Renumbering;

export class Numbering {
  readonly seen: SeenBatches = new SeenBatches();
  /** Whether tail listeners follow. Without them there is no tail, and its position is the newest known one. */
  isFollowed = false;
  #epoch: string;
  #tail: Position;
  /**
   * Positions past the tail that this process has returned to a caller, or accepted from a client. The server
   * contained each when it answered. The tail must bring each of them: otherwise the newest events were lost in between.
   */
  #claims: Position[] = [];
  readonly #left = new Set<string>();

  constructor({ epoch, position }: LogCursor) {
    this.#epoch = epoch;
    this.#tail = position;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Tail listeners have every event up to here. */
  get tail(): LogCursor {
    return { epoch: this.#epoch, position: this.#tail };
  }

  /** The newest position that is known. */
  get newest(): LogCursor {
    return { epoch: this.#epoch, position: this.#claims.reduce(newerOf, this.#tail) };
  }

  /** The position that the server must contain. A claim that contradicts the tail is checked first. */
  get known(): LogCursor {
    const position = this.#claims.find((claim) => this.seen.check(claim) === 'other');
    return position === undefined ? this.newest : { epoch: this.#epoch, position };
  }

  get hasClaims(): boolean {
    return this.#claims.length > 0;
  }

  /**
   * Takes an answer. Only a call that was made in the present numbering can change it: the answers of concurrent calls
   * arrive in any order.
   *
   * @param known The cursor that the call passed.
   * @param before The state from which listeners continue after a change.
   */
  take(known: LogCursor, head: ServerHead, before: ServerHead = head): Meaning {
    if (head.epoch === this.#epoch) {
      // The server contained `known`, so `known` needs no check of its own if the later position has one.
      if (known.epoch === this.#epoch && this.isFollowed && known.position !== head.position) {
        if (this.claim(head.position)) this.#drop(known.position);
      } else this.claim(head.position);
      return 'same';
    }
    if (known.epoch !== this.#epoch) return this.#left.has(head.epoch) ? 'late' : 'unclear';
    if (this.#left.has(head.epoch)) return 'returned';
    const reason = head.parent !== undefined && this.#isOurs(head.parent) ? 'rollback' : 'epoch';
    this.#leave(this.#epoch);
    if (head.parent !== undefined) this.#leave(head.parent);
    const newest = {
      epoch: head.epoch,
      position: before.epoch === head.epoch ? before.position : head.position,
    };
    this.#epoch = newest.epoch;
    this.#tail = newest.position;
    this.#claims = [];
    this.seen.clear();
    this.seen.add(newest.position);
    this.claim(head.position);
    return { reason, newest };
  }

  #isOurs(epoch: string): boolean {
    return epoch === this.#epoch || this.#left.has(epoch);
  }

  #leave(epoch: string): void {
    this.#left.add(epoch);
    if (this.#left.size > MAX_LEFT_EPOCHS) this.#left.delete(this.#left.values().next().value!);
  }

  /** Notes a position that is returned to a caller, or comes from a client. Returns whether the tail must bring it. */
  claim(position: Position): boolean {
    if (!this.isFollowed) {
      this.#tail = newerOf(this.#tail, position);
      return false;
    }
    const isAhead = sequenceOf(position) > sequenceOf(this.#tail);
    if (!isAhead && (position === BEGINNING || this.seen.check(position) !== 'other')) return false;
    if (this.#claims.includes(position)) return true;
    this.#claims.push(position);
    if (this.#claims.length > MAX_CLAIMS) this.#claims.shift();
    return true;
  }

  #drop(position: Position): void {
    const index = this.#claims.indexOf(position);
    if (index !== -1) this.#claims.splice(index, 1);
  }

  /** The claims up to a position that the tail did not bring. The server must be asked for each. */
  unproven(through: Position): Position[] {
    const end = sequenceOf(through);
    return this.#claims.filter((claim) => sequenceOf(claim) <= end && this.seen.check(claim) !== 'contained');
  }

  /** A first listener starts at the newest known position. */
  startTail(): void {
    const { position } = this.newest;
    this.isFollowed = true;
    this.#tail = position;
    this.#claims = [];
    this.seen.clear();
    this.seen.add(position);
  }

  /** The last listener has left. */
  endTail(): void {
    const { position } = this.newest;
    this.isFollowed = false;
    this.#tail = position;
    this.#claims = [];
  }

  /** The tail has reached a position. Each claim up to there was checked. */
  moveTail(through: Position): void {
    const end = sequenceOf(through);
    this.#tail = through;
    this.#claims = this.#claims.filter((claim) => sequenceOf(claim) > end);
  }
}
