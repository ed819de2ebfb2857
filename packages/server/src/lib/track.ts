/** A set of addresses that are read from the log together, from one position on. */
import { BEGINNING, comparePositions, type GapReason, type Position } from '@linefeed/shared/wire';
import type { LogEvent, ReadPage } from './log.ts';

/** A gap that is known before the first page: its cursor could not be used. */
export interface PendingGap {
  /** The cursor as it came; empty where it could not be read. */
  readonly from: string;
  readonly reason: GapReason;
}

/** A gap to announce. */
export interface FoundGap {
  readonly address: string;
  /** The cursor as it came from outside, or the position that delivery had reached. */
  readonly from: { readonly cursor: string } | { readonly position: Position };
  readonly to: Position;
  readonly reason: GapReason;
}

export class Track {
  /** Everything up to here was written for every address. */
  position: Position;
  /** Each address with the position behind which it is to be delivered; matters where it is greater than `position`. */
  readonly addresses: Map<string, Position> = new Map();
  /** Goes up with each address that is added: a page that was asked for before has nothing of it. */
  additions = 0;
  /** Nothing has changed since a page was asked for. */
  #isAsAsked = false;
  #pendingGaps: Map<string, PendingGap> | undefined;
  #isChecked = false;

  constructor(position: Position) {
    this.position = position;
  }

  /** A gap may still have to be announced: one is pending, or it was not yet compared with what the log holds. */
  get awaitsGaps(): boolean {
    return !this.#isChecked || (this.#pendingGaps !== undefined && this.#pendingGaps.size > 0);
  }

  pendingGapOf(address: string): PendingGap | undefined {
    return this.#pendingGaps?.get(address);
  }

  /** An address starts ahead of `position`: going live now would bring it what lies before its start. */
  get hasStartAhead(): boolean {
    for (const floor of this.addresses.values()) if (comparePositions(floor, this.position) > 0) return true;
    return false;
  }

  add(address: string, floor: Position, gap?: PendingGap): void {
    this.#setFloor(address, floor);
    this.additions += 1;
    if (gap !== undefined) (this.#pendingGaps ??= new Map()).set(address, gap);
  }

  /** @returns its gap that was still to be announced. */
  remove(address: string): PendingGap | undefined {
    this.addresses.delete(address);
    this.#isAsAsked = false;
    const gap = this.#pendingGaps?.get(address);
    this.#pendingGaps?.delete(address);
    return gap;
  }

  /** Where an address stands: behind this, it is owed every event. */
  positionOf(address: string): Position {
    const floor = this.addresses.get(address) ?? BEGINNING;
    return comparePositions(floor, this.position) > 0 ? floor : this.position;
  }

  /** What a page is to be asked for. */
  ask(): ReadonlyMap<string, Position> {
    this.#isAsAsked = true;
    return this.addresses;
  }

  /** The events of a page up to `end` that are still to be delivered: an address may have come or gone meanwhile. */
  owedOf({ events, through }: ReadPage, end: Position): readonly LogEvent[] {
    if (this.#isAsAsked && end === through) return events;
    return events.filter(({ address, position }) => {
      const floor = this.addresses.get(address);
      return (
        floor !== undefined && comparePositions(position, end) <= 0 && comparePositions(position, floor) > 0
      );
    });
  }

  /**
   * The gaps that must be written before anything of a page (or before going live, without one). Each address then
   * goes on behind its gap, so that the next page does not find it again.
   */
  takeGaps(page?: ReadPage): FoundGap[] {
    const gaps: FoundGap[] = [];
    for (const [address, { from, reason }] of this.#pendingGaps ?? []) {
      const to = laterOf(this.positionOf(address), page?.evictedThrough.get(address) ?? BEGINNING);
      gaps.push({ address, from: { cursor: from }, to, reason });
      this.#setFloor(address, to);
    }
    this.#pendingGaps = undefined;
    this.#isChecked = true;
    for (const [address, to] of page?.evictedThrough ?? []) {
      const position = this.positionOf(address);
      if (!this.addresses.has(address) || comparePositions(to, position) <= 0) continue;
      gaps.push({ address, from: { position }, to, reason: 'trimmed' });
      this.#setFloor(address, to);
    }
    return gaps;
  }

  #setFloor(address: string, floor: Position): void {
    this.addresses.set(address, floor);
    this.#isAsAsked = false;
  }
}

export function laterOf(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a;
}

export function earlierOf(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? a : b;
}
