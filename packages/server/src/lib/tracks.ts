/** All logged addresses of a connection: those that share its cursor, and those that have yet to catch up with it. */
import type { Position } from '@linefeed/shared/wire';
import { Track, type PendingGap } from './track.ts';

export class Tracks {
  /** Everything that shares the connection's cursor. */
  main: Track;
  /** Addresses that started before it, each to be merged into it when it has caught up. */
  #rewinds: Track[] = [];
  #isMainsTurn = false;

  constructor(position: Position) {
    this.main = new Track(position);
  }

  /** Number of addresses. */
  get size(): number {
    return this.main.addresses.size + this.#rewinds.reduce((sum, { addresses }) => sum + addresses.size, 0);
  }

  get isRewinding(): boolean {
    return this.#rewinds.length > 0;
  }

  /** One of them may still have a gap to announce. */
  get awaitsGaps(): boolean {
    return this.main.awaitsGaps || this.#rewinds.some(({ awaitsGaps }) => awaitsGaps);
  }

  *addresses(): Generator<string> {
    yield* this.main.addresses.keys();
    yield* this.rewinding();
  }

  /** Those that have not caught up. */
  *rewinding(): Generator<string> {
    for (const { addresses } of this.#rewinds) yield* addresses.keys();
  }

  has(address: string): boolean {
    return this.of(address) !== undefined;
  }

  /** The one that an address is in. */
  of(address: string): Track | undefined {
    return this.main.addresses.has(address)
      ? this.main
      : this.#rewinds.find(({ addresses }) => addresses.has(address));
  }

  /** Whether a track is one of these: while a page of it was read, it may have been dropped. */
  includes(track: Track): boolean {
    return track === this.main || this.#rewinds.includes(track);
  }

  rewind(address: string, start: Position, gap: PendingGap | undefined): void {
    const track = new Track(start);
    track.add(address, start, gap);
    this.#rewinds.push(track);
  }

  /** @returns its gap that was still to be announced. */
  remove(address: string): PendingGap | undefined {
    const gap = this.of(address)?.remove(address);
    this.#rewinds = this.#rewinds.filter(({ addresses }) => addresses.size > 0);
    return gap;
  }

  /** All begin again with this one. */
  replace(main: Track): void {
    this.main = main;
    this.#rewinds = [];
  }

  /** The track whose turn it is: rewinds alternate with the main one, which a slow reader may never bring to the tail. */
  next(isMainLive: boolean): Track | undefined {
    if (isMainLive) return this.#rewinds[0];
    this.#isMainsTurn = !this.#isMainsTurn;
    return this.#isMainsTurn ? this.main : (this.#rewinds[0] ?? this.main);
  }

  /** To the end of the line. */
  putBack(rewind: Track): void {
    this.drop(rewind);
    this.#rewinds.push(rewind);
  }

  drop(rewind: Track): void {
    this.#rewinds = this.#rewinds.filter((other) => other !== rewind);
  }
}
