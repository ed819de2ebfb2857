/** A set of addresses that are read from the log together, from one position on. */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  type Gap,
  type GapReason,
  type Position,
} from '@linefeed/shared/wire';
import { earlierOf, laterOf } from '../base/position.ts';
import type { LogEvent, ReadPage } from '../log/log.ts';

/** A gap that is known before the first page: its cursor could not be used. */
export interface PendingGap {
  /** The cursor as received; empty if it could not be parsed. */
  readonly from: string;
  readonly reason: GapReason;
}

/** A gap to announce. */
export interface FoundGap {
  readonly address: string;
  /** The cursor as received, or the position that delivery had reached. */
  readonly from: { readonly cursor: string } | { readonly position: Position };
  readonly to: Position;
  readonly reason: GapReason;
}

export function toGap({ address, from, to, reason }: FoundGap, epoch: string): Gap {
  const start = 'cursor' in from ? from.cursor : formatCursor(epoch, from.position);
  return { address, from: start, to: formatCursor(epoch, to), reason };
}

export class ReplayTrack {
  /** Everything up to here was written for every address. */
  position: Position;
  /** Each address with its floor: only events past it are delivered. It matters if it is greater than `position`. */
  readonly addresses: Map<string, Position> = new Map();
  /** Incremented with each added address: a page that was requested earlier has no events of it. */
  additions = 0;
  /** No address or floor has changed since the page was requested. */
  #isAsAsked = false;
  #pendingGaps: Map<string, PendingGap> | undefined;
  #isChecked = false;

  constructor(position: Position) {
    this.position = position;
  }

  /** Whether a gap may still be announced: one is pending, or the addresses were not compared with a page yet. */
  get awaitsGaps(): boolean {
    return !this.#isChecked || (this.#pendingGaps !== undefined && this.#pendingGaps.size > 0);
  }

  pendingGapOf(address: string): PendingGap | undefined {
    return this.#pendingGaps?.get(address);
  }

  /** Whether this track can go live at `tail`. An address that starts ahead would get events before its start. */
  hasReached(tail: Position): boolean {
    return (
      comparePositions(this.position, tail) >= 0 && /* seam: live-after-start-ahead */ !this.#hasStartAhead
    );
  }

  get #hasStartAhead(): boolean {
    for (const floor of this.addresses.values()) if (comparePositions(floor, this.position) > 0) return true;
    return false;
  }

  add(address: string, floor: Position, gap?: PendingGap): void {
    this.#setFloor(address, floor);
    this.additions += 1;
    if (gap !== undefined) (this.#pendingGaps ??= new Map()).set(address, gap);
  }

  /** @returns its gap, if it was not announced yet. */
  remove(address: string): PendingGap | undefined {
    this.addresses.delete(address);
    this.#isAsAsked = false;
    const gap = this.#pendingGaps?.get(address);
    this.#pendingGaps?.delete(address);
    return gap;
  }

  /** The position of an address: every later event must still be delivered. */
  positionOf(address: string): Position {
    const floor = this.addresses.get(address) ?? BEGINNING;
    return comparePositions(floor, this.position) > 0 ? floor : this.position;
  }

  /**
   * The cursor from which a gap of this address starts. `reached`: everything up to here was delivered although the
   * track is not there.
   */
  cursorOf(address: string, epoch: string, reached: Position = BEGINNING): string {
    return (
      this.pendingGapOf(address)?.from ?? formatCursor(epoch, laterOf(this.positionOf(address), reached))
    );
  }

  /** The addresses to request a page for. */
  ask(): ReadonlyMap<string, Position> {
    this.#isAsAsked = true;
    return this.addresses;
  }

  /**
   * The events of a page up to `end` that must still be delivered. Addresses may have been added or removed since the
   * request.
   */
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
   * Takes the gaps that must be written before the events of a page, or, without a page, before going live. Each
   * address then continues past its gap, so that the next page does not find it again.
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
      /* seam: gap-of-trimmed */ gaps.push({ address, from: { position }, to, reason: 'trimmed' });
      this.#setFloor(address, to);
    }
    return gaps;
  }

  #setFloor(address: string, floor: Position): void {
    this.addresses.set(address, floor);
    this.#isAsAsked = false;
  }
}

/** An address whose log is reset. */
export interface ResetAddress {
  readonly address: string;
  /** The cursor that its reader had reached. */
  readonly from: string;
  /** `keep: 'latest'` */
  readonly isLatest: boolean;
}

/** The track that replaces all others after a reset of the log. Each address has a gap. `newest`: position of the tail. */
export function trackAfterReset(
  reason: 'rollback' | 'epoch',
  newest: Position,
  addresses: readonly ResetAddress[],
): ReplayTrack {
  // Every event of a new epoch is new to the reader. After a rollback it has received the remaining ones.
  const start = reason === 'epoch' ? BEGINNING : newest;
  const floorOf = ({ isLatest }: ResetAddress): Position => (isLatest ? BEGINNING : start);
  // Without an address there is no older event to read.
  const position = addresses.length === 0 ? newest : addresses.map(floorOf).reduce(earlierOf, start);
  const track = new ReplayTrack(position);
  for (const each of addresses) track.add(each.address, floorOf(each), { from: each.from, reason });
  return track;
}
