/** All logged addresses of a connection: those that share its cursor, and those that have yet to catch up with it. */
import type { Position } from '@linefeed/shared/wire';
import { ReplayTrack, type PendingGap } from './replay-track.ts';

export class ReplayTracks {
  /** All addresses that share the connection's cursor. */
  main: ReplayTrack;
  /** Addresses that started before it. Each is merged into it when it has caught up. */
  #rewinds: ReplayTrack[] = [];
  #isMainsTurn = false;
  /** Calls that wait until all gaps are announced. */
  #afterGaps: Array<() => void> = [];

  constructor(position: Position) {
    this.main = new ReplayTrack(position);
  }

  /** Number of addresses. */
  get size(): number {
    return this.main.addresses.size + this.#rewinds.reduce((sum, { addresses }) => sum + addresses.size, 0);
  }

  get isRewinding(): boolean {
    return this.#rewinds.length > 0;
  }

  /** Whether one of the tracks may still have a gap to announce. */
  get awaitsGaps(): boolean {
    return this.main.awaitsGaps || this.#rewinds.some(({ awaitsGaps }) => awaitsGaps);
  }

  /** Calls `call` in a microtask, once all gaps are announced. */
  afterGaps(call: () => void): void {
    /* seam: source-after-answers */ this.#afterGaps.push(call);
    this.callAfterGaps();
  }

  /** Must be called when a gap was announced or dropped. Microtasks: the calls run user code. */
  callAfterGaps(): void {
    if (this.#afterGaps.length === 0 || /* seam: source-after-gaps */ this.awaitsGaps) return;
    for (const call of this.#afterGaps.splice(0)) queueMicrotask(call);
  }

  cancelAfterGaps(): void {
    this.#afterGaps = [];
  }

  *addresses(): Generator<string> {
    yield* this.main.addresses.keys();
    yield* this.rewinding();
  }

  /** The addresses that have not caught up. */
  *rewinding(): Generator<string> {
    for (const { addresses } of this.#rewinds) yield* addresses.keys();
  }

  has(address: string): boolean {
    return this.of(address) !== undefined;
  }

  /** The track that contains an address. */
  of(address: string): ReplayTrack | undefined {
    return this.main.addresses.has(address)
      ? this.main
      : this.#rewinds.find(({ addresses }) => addresses.has(address));
  }

  /** Whether a track is still in use: it may have been dropped while a page of it was read. */
  includes(track: ReplayTrack): boolean {
    return track === this.main || this.#rewinds.includes(track);
  }

  rewind(address: string, start: Position, gap: PendingGap | undefined): void {
    const track = new ReplayTrack(start);
    track.add(address, start, gap);
    this.#rewinds.push(track);
  }

  /** @returns its gap, if it was not announced yet. */
  remove(address: string): PendingGap | undefined {
    const gap = this.of(address)?.remove(address);
    this.#rewinds = this.#rewinds.filter(({ addresses }) => addresses.size > 0);
    return gap;
  }

  /** Replaces all tracks with this one. */
  replace(main: ReplayTrack): void {
    this.main = main;
    this.#rewinds = [];
  }

  /**
   * The next track to read. Rewinds alternate with the main track: a slow reader may never bring the main track to the
   * tail.
   */
  next(isMainLive: boolean): ReplayTrack | undefined {
    if (isMainLive) return this.#rewinds[0];
    this.#isMainsTurn = !this.#isMainsTurn;
    return this.#isMainsTurn ? this.main : (this.#rewinds[0] ?? this.main);
  }

  /** Moves a rewind to the end of the queue. */
  putBack(rewind: ReplayTrack): void {
    this.drop(rewind);
    this.#rewinds.push(rewind);
  }

  drop(rewind: ReplayTrack): void {
    this.#rewinds = this.#rewinds.filter((other) => other !== rewind);
  }
}
