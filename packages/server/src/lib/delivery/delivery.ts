/**
 * Delivers the logged addresses of one connection: replays pages of the log, then delivers live events. A slow reader
 * returns to replay.
 */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  FRAME,
  type Cursor,
  type Position,
  type Subscribed,
} from '@linefeed/shared/wire';
import type { Frame } from './batch.ts';
import {
  announceGaps,
  type DeliveryOptions,
  type DeliveryPort,
  type DeliveryQueue,
} from './delivery-port.ts';
import type { Subscriber } from './hub.ts';
import type { LogEvent } from '../log/log.ts';
import { mergeStarts, positionOf, type LoggedStart } from './start-position.ts';
import { earlierOf, laterOf } from '../base/position.ts';
import { ReplayTrack, type FoundGap, type PendingGap } from './replay-track.ts';
import { ReplayTracks } from './replay-tracks.ts';

/** The state of delivery. */
type DeliveryState =
  | {
      /** Pages are read from the main track's position on. */
      readonly state: 'replaying';
      /**
       * Set from a reset of the log until its gaps are announced: the cursor that the client had. A cursor of the new
       * numbering must not reach the client before the gaps: a resume from it would skip them.
       */
      readonly heldCursor: string | undefined;
    }
  | {
      readonly state: 'live';
      /** Live events up to this position were already replayed, because the log was ahead of this process's tail. */
      readonly skipThrough: Position | undefined;
    }
  | { readonly state: 'closed' };

const REPLAYING: DeliveryState = { state: 'replaying', heldCursor: undefined };
const LIVE: DeliveryState = { state: 'live', skipThrough: undefined };
const CLOSED: DeliveryState = { state: 'closed' };

export class LoggedDelivery implements Subscriber {
  readonly #options: DeliveryOptions;
  readonly #port: DeliveryPort;
  readonly #outbox: DeliveryQueue;
  readonly #tracks: ReplayTracks;
  #place: DeliveryState = REPLAYING;
  #pulling = false;
  #latest: Set<string> | undefined;
  /** Callbacks that wait until the opening's gaps are announced. */
  #afterGaps: Array<() => void> = [];
  /** Events replayed since delivery last left the live state. */
  #replayed = 0;

  constructor(options: DeliveryOptions, port: DeliveryPort) {
    this.#options = options;
    this.#port = port;
    this.#outbox = port.outbox;
    this.#tracks = new ReplayTracks(options.hub.position);
  }

  get #main(): ReplayTrack {
    return this.#tracks.main;
  }

  /** Number of addresses. */
  get size(): number {
    return this.#tracks.size;
  }

  /** Whether any address shares the connection's cursor. */
  get hasCursor(): boolean {
    return this.#main.addresses.size > 0;
  }

  events(): Iterable<string> {
    return this.#tracks.addresses();
  }

  /** The connection's current cursor. All events up to it are written or queued. */
  get position(): Position {
    return this.#positionAt(this.#options.hub.position);
  }

  /** The connection's position if the tail has delivered everything up to `told`. */
  #positionAt(told: Position): Position {
    if (this.#place.state !== 'live') return this.#main.position;
    return laterOf(told, /* seam: live-position-from-tail */ this.#place.skipThrough ?? BEGINNING);
  }

  /** The connection's cursor for use in ids. */
  get cursor(): string {
    const place = this.#place;
    const held = place.state === 'replaying' ? place.heldCursor : undefined;
    return held ?? this.#options.hub.cursorAt(this.position);
  }

  get #isLive(): boolean {
    return this.#place.state === 'live';
  }

  // Opening and changing ------------------------------------------------------------------------------------------------

  /**
   * Decides where the connection's cursor starts. `resumed`: the position of a cursor that can be used. A client that
   * gives an entry a key stores that entry's position itself. Other clients have only the ids, so the cursor must not
   * pass the earliest of their starts.
   *
   * @returns the id of hello, or `undefined` if none can be given.
   */
  begin(resumed: Position | undefined, asked: readonly LoggedStart[]): string | undefined {
    const { hub } = this.#options;
    const sharing =
      resumed === undefined
        ? asked
        : /* seam: one-cursor-for-keyless */ asked.filter(({ key }) => key === undefined);
    const positions = sharing.map((start) => positionOf(start, hub.position));
    this.#tracks.replace(
      new ReplayTrack(positions.reduce(earlierOf, resumed ?? positions[0] ?? hub.position)),
    );
    // Bookmarks are sent only for positions after this one.
    this.#outbox.lastId = this.#main.position;
    // No id while a gap is unannounced: a client that resumes from it would miss the gap.
    const usable = asked.length > 0 && !asked.some(({ gap }) => gap !== undefined);
    return usable ? hub.cursorAt(/* seam: hello-id-at-start */ this.#main.position) : undefined;
  }

  /** Writes a `subscribed` frame for each entry, and starts each event name once. */
  accept(asked: readonly LoggedStart[]): void {
    const merged = [...mergeStarts(asked, this.#options.hub.position)];
    for (const start of asked) {
      // The gap ends where the event name starts, so `subscribed` gives that position.
      const first = start.gap && merged.find(({ event }) => event === start.event);
      this.#answer(start, undefined, this.#startOf(first ?? start));
    }
    for (const start of merged) this.#follow(start);
  }

  /** Goes live, or begins to pull pages. */
  start(): void {
    // A previous write may have ended the connection.
    if (this.#place.state === 'closed') return;
    this.#options.hub.add(this);
    this.#advance();
  }

  /**
   * Adds a logged address, as control request `n` asked. Two requested addresses may have one event name. Its events
   * are delivered once. An earlier start replays all of them from there, and `subscribed` then states that start.
   */
  add(start: LoggedStart, n: number): void {
    if (this.#place.state === 'closed') return;
    const { event, gap } = start;
    const track = this.#tracks.of(event);
    if (track === undefined) {
      this.#answer(start, n);
      return this.#follow(start);
    }
    const position = laterOf(track.positionOf(event), track === this.#main ? this.position : BEGINNING);
    if (comparePositions(this.#startOf(start), position) < 0) {
      const pending = this.remove(event);
      this.#answer(start, n);
      return this.#follow({ ...start, gap: pending ?? gap });
    }
    // The gap ends at the current delivery position. On a replaying connection this is earlier than the tail.
    this.#answer(start, n, gap && position);
    if (gap !== undefined) {
      this.#announce([{ address: event, from: { cursor: gap.from }, to: position, reason: gap.reason }]);
    }
  }

  #answer(start: LoggedStart, n: number | undefined, position: Position = this.#startOf(start)): void {
    const rewind = !this.#tracks.has(start.event) && comparePositions(position, this.position) < 0;
    this.#port.control(FRAME.subscribed, {
      address: start.asked,
      event: start.event,
      ...(start.key === undefined ? {} : { key: start.key }),
      ...(n === undefined ? {} : { n }),
      cursor: this.#options.hub.cursorAt(position),
      tail: this.#options.hub.cursor,
      ...(rewind ? { rewind: true as const } : {}),
    } satisfies Subscribed);
  }

  #startOf(logged: LoggedStart): Position {
    const start = positionOf(logged, this.#options.hub.position);
    return logged.own ? start : laterOf(this.position, start);
  }

  #follow(logged: LoggedStart): void {
    // A previous write may have ended the connection.
    if (this.#place.state === 'closed') return;
    const { event, gap, isLatest } = logged;
    if (isLatest) (this.#latest ??= new Set()).add(event);
    const start = this.#startOf(logged);
    if (comparePositions(start, this.position) < 0) {
      this.#tracks.rewind(event, start, gap);
      void this.#pull();
      return;
    }
    this.#main.add(event, start, gap);
    if (!this.#isLive) return;
    // The start is ahead of this process's tail: read from the log.
    if (comparePositions(start, this.position) > 0) return this.#fallBack();
    this.#options.hub.join(event, this);
    if (gap !== undefined) this.#announce(this.#main.takeGaps());
  }

  /**
   * Stops delivery of the address. No frame of it is queued after the return.
   *
   * @returns its gap, if it was not announced yet.
   */
  remove(event: string): PendingGap | undefined {
    this.#options.hub.leave(event, this);
    this.#latest?.delete(event);
    const gap = this.#tracks.remove(event);
    this.#callAfterGaps();
    return gap;
  }

  /** Stops delivery when the connection closes. */
  close(): void {
    const { hub } = this.#options;
    /* seam: closed-delivery */ this.#place = CLOSED;
    hub.remove(this);
    for (const address of this.#main.addresses.keys()) hub.leave(address, this);
    this.#afterGaps = [];
  }

  // Live --------------------------------------------------------------------------------------------------------------

  deliver(event: LogEvent, frame: Frame): void {
    const place = this.#place;
    const skipThrough = place.state === 'live' ? place.skipThrough : undefined;
    if (skipThrough !== undefined && comparePositions(event.position, skipThrough) <= 0) return;
    if (!this.#outbox.queueFrame(frame)) {
      const { clock, counters } = this.#options;
      counters.fallbacks += 1;
      this.#stopLive(/* seam: replay-from-queued */ this.position);
      // At the end of the tick: a page for each event of a burst would cost more than one page for all of them.
      clock.defer(() => void this.#pull());
      return;
    }
    if (skipThrough !== undefined) this.#place = LIVE;
  }

  reset(reason: 'rollback' | 'epoch', left: Cursor): void {
    if (/* seam: reset-of-delivery */ this.#place.state === 'closed') return;
    const { hub } = this.#options;
    const reached = this.#positionAt(left.position);
    const heldCursor =
      (this.#place.state === 'replaying' ? this.#place.heldCursor : undefined) ??
      formatCursor(left.epoch, reached);
    const position = reason === 'epoch' ? BEGINNING : hub.position;
    const floorOf = (address: string): Position =>
      this.#latest?.has(address) === true ? BEGINNING : position;
    const addresses = [...this.#tracks.addresses()];
    const rewinding = [...this.#tracks.rewinding()];
    // Without an address there is no older event to read.
    const next = new ReplayTrack(
      addresses.length === 0 ? hub.position : addresses.map(floorOf).reduce(earlierOf, position),
    );
    for (const address of addresses) {
      const track = this.#tracks.of(address)!;
      const stood = laterOf(track.positionOf(address), track === this.#main ? reached : BEGINNING);
      const from =
        track.pendingGapOf(address)?.from ??
        formatCursor(left.epoch, /* seam: reset-gap-from-reader */ stood);
      next.add(address, floorOf(address), { from, reason });
    }
    this.#leaveHub();
    this.#place = { state: 'replaying', heldCursor: addresses.length === 0 ? undefined : heldCursor };
    this.#outbox.lastId = undefined;
    this.#tracks.replace(next);
    for (const address of rewinding) this.#port.control(FRAME.caughtup, { address });
    this.#advance();
  }

  fallBehind(): void {
    if (/* seam: overrun-reads-log */ this.#isLive) this.#fallBack();
  }

  #fallBack(): void {
    this.#stopLive(this.position);
    void this.#pull();
  }

  /** Leaves the live state. All events past `position` are read from the log. */
  #stopLive(position: Position): void {
    if (!this.#isLive) return;
    this.#leaveHub();
    this.#main.position = position;
    this.#place = REPLAYING;
  }

  #leaveHub(): void {
    if (/* seam: replay-leaves-hub */ this.#isLive)
      for (const address of this.#main.addresses.keys()) this.#options.hub.leave(address, this);
  }

  // Replay ------------------------------------------------------------------------------------------------------------

  /** Goes live if the main track has reached the tail; otherwise pulls pages. */
  #advance(): void {
    const place = this.#place;
    if (place.state === 'closed') return;
    if (place.state === 'replaying' && /* seam: live-at-tail */ this.#hasReachedTail()) this.#goLive();
    if (!this.#isLive || this.#tracks.isRewinding) void this.#pull();
    this.#callAfterGaps();
  }

  #hasReachedTail(): boolean {
    const { hub } = this.#options;
    return (
      comparePositions(this.#main.position, hub.position) >= 0 &&
      /* seam: live-after-start-ahead */ !this.#main.hasStartAhead
    );
  }

  #goLive(): void {
    const { hub } = this.#options;
    const { position } = this.#main;
    const gaps = this.#main.takeGaps();
    this.#place =
      comparePositions(position, hub.position) > 0 ? { state: 'live', skipThrough: position } : LIVE;
    for (const address of this.#main.addresses.keys()) hub.join(address, this);
    this.#countReplay();
    this.#announceMain(gaps);
  }

  /** Calls `call` in a microtask, once all gaps of the requested addresses are announced. */
  afterGaps(call: () => void): void {
    /* seam: source-after-answers */ this.#afterGaps.push(call);
    this.#callAfterGaps();
  }

  /** Uses microtasks because the calls run user code, which may end the connection. */
  #callAfterGaps(): void {
    if (this.#afterGaps.length === 0 || /* seam: source-after-gaps */ this.#tracks.awaitsGaps) return;
    for (const call of this.#afterGaps.splice(0)) queueMicrotask(call);
  }

  /** Announces gaps of the main track. After them, ids carry the current cursor again. */
  #announceMain(gaps: readonly FoundGap[]): void {
    this.#announce(gaps);
    if (this.#place.state === 'replaying') this.#place = REPLAYING;
    // The bookmark is past the gaps, so a client that resumes from it does not get them again.
    if (gaps.length > 0) this.#bookmark();
  }

  #countReplay(): void {
    if (this.#replayed === 0) return;
    const { counters } = this.#options;
    counters.replays += 1;
    counters.largestReplay = Math.max(counters.largestReplay, this.#replayed);
    this.#replayed = 0;
  }

  async #pull(): Promise<void> {
    if (this.#pulling) return;
    this.#pulling = true;
    try {
      // A caller that is still opening the connection must write its frames first.
      await Promise.resolve();
      while (!this.#port.closed) {
        const track = this.#tracks.next(this.#isLive);
        if (track === undefined) break;
        if (this.#outbox.writable) await this.#pullPage(track);
        else await this.#outbox.drained();
      }
    } catch (error) {
      this.#port.onFailure(error);
    } finally {
      this.#pulling = false;
    }
  }

  async #pullPage(track: ReplayTrack): Promise<void> {
    const { hub, counters } = this.#options;
    const before = track.position;
    if (track.addresses.size > 0) {
      const { additions } = track;
      const page = await hub.pages.read(before, track.ask());
      // During the read the connection may have closed, or the log may have been reset. An address may have been
      // removed or added: the page has no events of an added address.
      if (this.#port.closed || !this.#tracks.includes(track) || track.additions !== additions) return;
      // The heartbeat may be late, for example after a suspend.
      if (this.#port.endIfOver(this.#options.clock.now())) return;
      // The log has a new numbering already. The tail will report the reset; wait for it.
      if (/* seam: page-of-this-epoch */ page.epoch !== hub.epoch) return await hub.changed();
      const isMain = track === this.#main;
      const gaps = track.takeGaps(page);
      if (isMain) /* seam: gaps-before-events */ this.#announceMain(gaps);
      else this.#announce(gaps);
      // A rewind must not pass the main track: the id of its events would cover main-track events that are not written
      // yet.
      const end = isMain ? page.through : earlierOf(page.through, this.position);
      const events = /* seam: page-in-log-order */ track.owedOf(page, end);
      track.position = laterOf(track.position, end);
      counters.replayed += events.length;
      this.#replayed += events.length;
      if (events.length > 0) this.#writeEvents(events, isMain ? track.position : undefined);
    } else {
      track.position = laterOf(track.position, this.position);
      if (track === this.#main) track.position = laterOf(track.position, hub.position);
    }
    if (track === this.#main) this.#advance();
    else this.#merge(track);
    // No progress: the page is older than the tail, as on a lagging replica. Wait for the tail instead of polling in a
    // loop.
    if (/* seam: no-progress-waits */ track.position === before && this.#isReading(track))
      await hub.changed();
  }

  #isReading(track: ReplayTrack): boolean {
    if (track === this.#main) return this.#place.state === 'replaying';
    return this.#place.state !== 'closed' && this.#tracks.includes(track);
  }

  #writeEvents(events: readonly LogEvent[], lastId: Position | undefined): void {
    const { hub, counters } = this.#options;
    counters.framesOut += events.length;
    this.#outbox.write(hub.pages.encode(events));
    if (lastId !== undefined) this.#outbox.lastId = events.at(-1)!.position;
  }

  /** Merges a rewind into the main track if it has caught up. */
  #merge(track: ReplayTrack): void {
    if (this.#place.state === 'closed') return;
    if (/* seam: merge-after-catch-up */ comparePositions(track.position, this.position) < 0)
      this.#tracks.putBack(track);
    else {
      this.#tracks.drop(track);
      for (const [address, floor] of track.addresses) {
        this.#main.add(address, floor);
        if (this.#isLive) this.#options.hub.join(address, this);
        this.#port.control(FRAME.caughtup, { address });
      }
    }
    this.#callAfterGaps();
  }

  #announce(gaps: readonly FoundGap[]): void {
    announceGaps(gaps, this.#port, this.#options);
  }

  /** Sends a bookmark if the position has moved without a matching event. Returns whether it did. */
  bookmarkIfMoved(): boolean {
    const moved = this.hasCursor && this.#isLive && this.#outbox.lastId !== this.#options.hub.position;
    if (moved) this.#bookmark();
    return moved;
  }

  #bookmark(): void {
    this.#port.control(FRAME.bookmark, {}, this.#options.hub.cursorAt(this.position));
    this.#outbox.lastId = this.position;
  }
}
