/**
 * Delivers the logged addresses of one connection: replays pages of the log, then delivers live events. A slow reader
 * returns to replay. `delivery-state.ts` has the states and their transitions.
 */
import { BEGINNING, comparePositions, formatCursor, FRAME, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../base/position.ts';
import type { LogCursor } from '../log/log.ts';
import type { Frame } from './batch.ts';
import type { DeliveryOptions, DeliveryPort } from './delivery-port.ts';
import { CLOSED, LIVE, positionIn, REPLAYING, type DeliveryState } from './delivery-state.ts';
import type { Hub, LiveReceiver, Subscriber } from './hub.ts';
import { Replay, type ReplayOwner } from './replay.ts';
import { ReplayTrack, toGap, trackAfterReset, type FoundGap, type PendingGap } from './replay-track.ts';
import { ReplayTracks } from './replay-tracks.ts';
import { positionOf, type LoggedStart } from './start-position.ts';

export class LoggedDelivery implements LiveReceiver, Subscriber, ReplayOwner {
  readonly hub: Hub;
  readonly port: DeliveryPort;
  readonly #options: DeliveryOptions;
  readonly #tracks: ReplayTracks;
  /** Created on demand: most connections start at the tail. */
  #replay: Replay | undefined;
  #place: DeliveryState = REPLAYING;
  /** Addresses with `keep: 'latest'`. Created on demand. */
  #latest: Set<string> | undefined;

  constructor(options: DeliveryOptions, port: DeliveryPort) {
    this.hub = options.hub;
    this.port = port;
    this.#options = options;
    this.#tracks = new ReplayTracks(options.hub.position);
  }

  get #main(): ReplayTrack {
    return this.#tracks.main;
  }

  get isLive(): boolean {
    return this.#place.state === 'live';
  }

  get closed(): boolean {
    return this.#place.state === 'closed';
  }

  get size(): number {
    return this.#tracks.size;
  }

  /** Whether any address shares the connection's cursor. */
  get hasCursor(): boolean {
    return this.#main.addresses.size > 0;
  }

  addresses(): Iterable<string> {
    return this.#tracks.addresses();
  }

  /** The connection's current cursor. All events up to it are written or queued. */
  get position(): Position {
    return positionIn(this.#place, this.#main, this.hub.position);
  }

  /** The connection's cursor for use in ids. */
  get cursor(): string {
    const place = this.#place;
    const before = place.state === 'replaying' ? place.cursorBeforeReset : undefined;
    return before ?? this.hub.cursorAt(this.position);
  }

  /** Everything of this address up to here was delivered. `undefined`: the address is not delivered. */
  positionOf(address: string): Position | undefined {
    const track = this.#tracks.of(address);
    if (track === undefined) return undefined;
    return laterOf(track.positionOf(address), track === this.#main ? this.position : BEGINNING);
  }

  /**
   * Sets the connection's cursor. `isComplete`: no gap before it is unannounced.
   *
   * @returns the id of hello, or `undefined` if none can be given.
   */
  begin(start: Position, isComplete: boolean): string | undefined {
    const { hub } = this;
    this.#tracks.replace(new ReplayTrack(start));
    // Bookmarks are sent only for positions after this one.
    this.port.outbox.lastId = start;
    // A client that resumes from an id past an unannounced gap would miss the gap.
    return isComplete ? hub.cursorAt(/* seam: hello-id-at-start */ start) : undefined;
  }

  /** Goes live, or begins to pull pages. */
  start(): void {
    // A previous write may have ended the connection.
    if (this.closed) return;
    this.hub.add(this);
    this.#advance();
  }

  /** Where the delivery of an entry starts. */
  startOf(logged: LoggedStart): Position {
    const start = positionOf(logged, this.hub.position);
    return logged.own ? start : laterOf(this.position, start);
  }

  /** Starts the delivery of an address: on the main track, or as a rewind if it starts before that. */
  deliverFrom(logged: LoggedStart): void {
    if (this.closed) return;
    const { address, gap, isLatest } = logged;
    if (isLatest) (this.#latest ??= new Set()).add(address);
    const start = this.startOf(logged);
    if (comparePositions(start, this.position) < 0) {
      this.#tracks.rewind(address, start, gap);
      this.#pull();
      return;
    }
    this.#main.add(address, start, gap);
    if (!this.isLive) return;
    // The start is ahead of this process's tail: read from the log.
    if (comparePositions(start, this.position) > 0) return this.readFromLog();
    this.hub.join(address, this.#receiver);
    if (gap !== undefined) this.announceGaps(this.#main.takeGaps());
  }

  /**
   * Stops delivery of the address. No frame of it is queued after the return.
   *
   * @returns its gap, if it was not announced yet.
   */
  remove(address: string): PendingGap | undefined {
    this.hub.leave(address, this.#receiver);
    this.#latest?.delete(address);
    const gap = this.#tracks.remove(address);
    this.#tracks.callAfterGaps();
    return gap;
  }

  /** Stops delivery when the connection closes. */
  close(): void {
    this.#leaveHub();
    /* seam: closed-delivery */ this.#place = CLOSED;
    this.hub.remove(this);
    this.#tracks.cancelAfterGaps();
  }

  // Live --------------------------------------------------------------------------------------------------------------

  /** The receiver of the live events: the outbox, or this object if the first of them were already replayed. */
  get #receiver(): LiveReceiver {
    const place = this.#place;
    return place.state === 'live' && place.skipThrough !== undefined ? this : this.port.outbox;
  }

  /** A live event, while the first ones must be skipped: they are already replayed. */
  deliver(frame: Frame): void {
    const place = this.#place;
    const isReplayed =
      place.state === 'live' && comparePositions(frame.position, place.skipThrough ?? BEGINNING) <= 0;
    if (!isReplayed) this.port.outbox.deliver(frame);
  }

  /** The outbox has refused a live event. */
  onOverflow(): void {
    this.#options.counters.fallbacks += 1;
    this.#stopLive(/* seam: replay-from-queued */ this.position);
    // At the end of the tick: a page for each event of a burst would cost more than one page for all of them.
    this.#options.clock.defer(() => this.#pull());
  }

  readFromLog(): void {
    if (/* seam: overrun-reads-log */ !this.isLive) return;
    this.#stopLive(this.position);
    this.#pull();
  }

  /** Leaves the live state. All events past `position` are read from the log. */
  #stopLive(position: Position): void {
    if (!this.isLive) return;
    this.#leaveHub();
    this.#main.position = position;
    this.#place = REPLAYING;
  }

  #leaveHub(): void {
    if (/* seam: replay-leaves-hub */ this.isLive)
      for (const address of this.#main.addresses.keys()) this.hub.leave(address, this.#receiver);
  }

  reset(reason: 'rollback' | 'epoch', last: LogCursor): void {
    const place = this.#place;
    if (/* seam: reset-of-delivery */ place.state === 'closed') return;
    const reached = positionIn(place, this.#main, last.position);
    const rewinding = [...this.#tracks.rewinding()];
    const addresses = [...this.#tracks.addresses()].map((address) => {
      const track = this.#tracks.of(address)!;
      const from = track.cursorOf(
        address,
        last.epoch,
        /* seam: reset-gap-from-reader */ track === this.#main ? reached : BEGINNING,
      );
      return { address, from, isLatest: this.#latest?.has(address) === true };
    });
    const before = place.state === 'replaying' ? place.cursorBeforeReset : undefined;
    const cursorBeforeReset =
      addresses.length === 0 ? undefined : (before ?? formatCursor(last.epoch, reached));
    this.#leaveHub();
    this.#place = { state: 'replaying', cursorBeforeReset };
    this.port.outbox.lastId = undefined;
    this.#tracks.replace(trackAfterReset(reason, this.hub.position, addresses));
    for (const address of rewinding) this.port.control(FRAME.caughtup, { address });
    this.#advance();
  }

  // Replay ------------------------------------------------------------------------------------------------------------

  /** Goes live if the main track has reached the tail; otherwise pulls pages. */
  #advance(): void {
    const place = this.#place;
    if (place.state === 'closed') return;
    if (place.state === 'replaying' && /* seam: live-at-tail */ this.#main.hasReached(this.hub.position))
      this.#goLive();
    if (!this.isLive || this.#tracks.isRewinding) this.#pull();
    this.#tracks.callAfterGaps();
  }

  #goLive(): void {
    const { position } = this.#main;
    const gaps = this.#main.takeGaps();
    this.#place =
      comparePositions(position, this.hub.position) > 0 ? { state: 'live', skipThrough: position } : LIVE;
    for (const address of this.#main.addresses.keys()) this.hub.join(address, this.#receiver);
    this.#replay?.countCaughtUp();
    this.announceGaps(gaps, this.#main);
  }

  /** Merges a rewind into the main track if it has caught up. */
  #merge(track: ReplayTrack): void {
    if (this.closed) return;
    if (/* seam: merge-after-catch-up */ comparePositions(track.position, this.position) < 0)
      this.#tracks.putBack(track);
    else {
      this.#tracks.drop(track);
      for (const [address, floor] of track.addresses) {
        this.#main.add(address, floor);
        if (this.isLive) this.hub.join(address, this.#receiver);
        this.port.control(FRAME.caughtup, { address });
      }
    }
    this.#tracks.callAfterGaps();
  }

  #pull(): void {
    this.#replay ??= new Replay(this.#options, this, this.#tracks);
    void this.#replay.pull();
  }

  isReplaying(track: ReplayTrack): boolean {
    return track === this.#main ? this.#place.state === 'replaying' : this.#tracks.includes(track);
  }

  onMoved(track: ReplayTrack): void {
    if (track === this.#main) this.#advance();
    else this.#merge(track);
  }

  announceGaps(gaps: readonly FoundGap[], track?: ReplayTrack): void {
    for (const found of gaps) {
      // Writing the previous frame may have ended the connection.
      if (this.port.closed) return;
      const gap = toGap(found, this.hub.epoch);
      this.#options.counters.gaps += 1;
      this.port.control(FRAME.gap, gap);
      this.port.onGap(gap);
    }
    if (track !== this.#main) return;
    // Ids have the current cursor again.
    if (this.#place.state === 'replaying') this.#place = REPLAYING;
    // The bookmark is past the gaps, so a client that resumes from it does not get them again.
    if (gaps.length > 0) this.#bookmark();
  }

  /** Calls `call` in a microtask, once all gaps of the requested addresses are announced. */
  afterGaps(call: () => void): void {
    this.#tracks.afterGaps(call);
  }

  /** Sends a bookmark if the position has moved without a matching event. Returns whether it did. */
  bookmarkIfMoved(): boolean {
    const moved = this.hasCursor && this.isLive && this.port.outbox.lastId !== this.hub.position;
    if (moved) this.#bookmark();
    return moved;
  }

  #bookmark(): void {
    this.port.control(FRAME.bookmark, {}, this.hub.cursorAt(this.position));
    this.port.outbox.lastId = this.position;
  }
}
