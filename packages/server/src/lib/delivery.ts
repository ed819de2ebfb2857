/** The logged addresses of one connection: replayed by pulled pages, then live, and back when the reader falls behind. */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  FRAME,
  type Cursor,
  type Position,
  type Subscribed,
} from '@linefeed/shared/wire';
import type { Batch, Frame } from './batch.ts';
import { announceGaps, type DeliveryOptions, type DeliveryPort } from './delivery-port.ts';
import type { Member } from './hub.ts';
import type { LogEvent } from './log.ts';
import { mergeStarts, positionOf, type LoggedStart } from './start.ts';
import { earlierOf, laterOf, Track, type FoundGap, type PendingGap } from './track.ts';
import { Tracks } from './tracks.ts';

/** Where delivery stands. */
type Place =
  | {
      /** Pages are read from the main track's position on. */
      readonly state: 'replaying';
      /**
       * From a reset of the log until its gaps are announced: the cursor that the client had. A cursor of the new
       * numbering would outlive the gaps: a client that resumes from it would never be told of them.
       */
      readonly heldCursor: string | undefined;
    }
  | {
      readonly state: 'live';
      /** Live events up to here were already replayed: the log was ahead of this process's tail. */
      readonly skipThrough: Position | undefined;
    }
  | { readonly state: 'closed' };

const REPLAYING: Place = { state: 'replaying', heldCursor: undefined };
const LIVE: Place = { state: 'live', skipThrough: undefined };
const CLOSED: Place = { state: 'closed' };

export class LoggedDelivery implements Member {
  readonly #options: DeliveryOptions;
  readonly #port: DeliveryPort;
  readonly #tracks: Tracks;
  #place: Place = REPLAYING;
  /** Live events of this tick; what comes before them was written. */
  #pending: Batch | undefined;
  #pendingFrom: Position = BEGINNING;
  /** The last position that an id has told the client. */
  #lastId: Position | undefined;
  #pulling = false;
  #latest: Set<string> | undefined;
  /** What waits until the gaps of the opening are announced. */
  #afterGaps: Array<() => void> = [];
  /** Events since the last time it left the live ones. */
  #replayed = 0;

  constructor(options: DeliveryOptions, port: DeliveryPort) {
    this.#options = options;
    this.#port = port;
    this.#tracks = new Tracks(options.hub.position);
  }

  get #main(): Track {
    return this.#tracks.main;
  }

  /** Number of addresses. */
  get size(): number {
    return this.#tracks.size;
  }

  /** Whether anything shares the connection's cursor. */
  get hasCursor(): boolean {
    return this.#main.addresses.size > 0;
  }

  events(): Iterable<string> {
    return this.#tracks.addresses();
  }

  /** The connection's cursor now: everything up to it was written or is about to be, in front of what comes next. */
  get position(): Position {
    return this.#positionAt(this.#options.hub.position);
  }

  /** The same where the tail has told everything up to `told`. */
  #positionAt(told: Position): Position {
    if (this.#place.state !== 'live') return this.#main.position;
    return laterOf(told, this.#place.skipThrough ?? BEGINNING);
  }

  /** The connection's cursor as ids tell it. */
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
   * Decides where the connection's cursor starts. `resumed`: the position of a cursor that can be used. Who gives an entry
   * a key keeps its place. Anybody else has the ids alone: they must not pass what an earlier start is still owed.
   *
   * @returns the id of hello, if one can be given.
   */
  begin(resumed: Position | undefined, asked: readonly LoggedStart[]): string | undefined {
    const { hub } = this.#options;
    const sharing = resumed === undefined ? asked : asked.filter(({ key }) => key === undefined);
    const positions = sharing.map((start) => positionOf(start, hub.position));
    this.#tracks.replace(new Track(positions.reduce(earlierOf, resumed ?? positions[0] ?? hub.position)));
    // Bookmarks tell of what moved since.
    this.#lastId = this.#main.position;
    // An id would outlive the gap that is still to be announced.
    const usable = asked.length > 0 && !asked.some(({ gap }) => gap !== undefined);
    return usable ? hub.cursorAt(this.#main.position) : undefined;
  }

  /** Accepts what is asked, and starts each event name once. */
  accept(asked: readonly LoggedStart[]): void {
    const merged = [...mergeStarts(asked, this.#options.hub.position)];
    for (const start of asked) {
      // Its gap leads to where the event name starts, not to now.
      const first = start.gap && merged.find(({ event }) => event === start.event);
      this.#answer(start, undefined, this.#startOf(first ?? start));
    }
    for (const start of merged) this.#follow(start);
  }

  /** Goes live, or begins to pull. */
  start(): void {
    // What was written before may have ended the connection.
    if (this.#place.state === 'closed') return;
    this.#options.hub.add(this);
    this.#advance();
  }

  /**
   * Adds a logged address, as control request `n` asked. Two addresses as asked may be one event name. It is delivered
   * once: all of it again from an earlier start, which the answer then tells the truth about.
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
    // A gap leads to where delivery stands, which is behind now on a connection that replays.
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
    // What was written before may have ended the connection.
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
    // A start ahead of what this process has seen of the log.
    if (comparePositions(start, this.position) > 0) return this.#fallBack();
    this.#options.hub.join(event, this);
    if (gap !== undefined) this.#announce(this.#main.takeGaps());
  }

  /**
   * Nothing of the address is written after this returns, but what is on its way.
   *
   * @returns its gap that was still to be announced.
   */
  remove(event: string): PendingGap | undefined {
    this.flush();
    this.#options.hub.leave(event, this);
    this.#latest?.delete(event);
    const gap = this.#tracks.remove(event);
    this.#callAfterGaps();
    return gap;
  }

  /** Ends it with its connection. */
  close(): void {
    const { hub } = this.#options;
    this.#place = CLOSED;
    hub.remove(this);
    for (const address of this.#main.addresses.keys()) hub.leave(address, this);
    this.#pending = undefined;
    this.#afterGaps = [];
  }

  // Live --------------------------------------------------------------------------------------------------------------

  deliver(event: LogEvent, frame: Frame): void {
    const place = this.#place;
    const skipThrough = place.state === 'live' ? place.skipThrough : undefined;
    if (skipThrough !== undefined && comparePositions(event.position, skipThrough) <= 0) return;
    if (this.#pending === undefined) {
      const { hub } = this.#options;
      this.#pending = hub.root;
      this.#pendingFrom = skipThrough === undefined ? hub.position : this.position;
      hub.schedule(this);
    }
    if (skipThrough !== undefined) this.#place = LIVE;
    this.#pending = this.#pending.with(frame);
  }

  flush(now?: number): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const waiting = this.#port.bufferedBytes;
    const { maxBufferedBytes } = this.#options.limits;
    // One frame may be larger than the bound; it must still get through once nothing else waits.
    if (waiting + pending.byteLength > maxBufferedBytes && (waiting > 0 || pending.length > 1)) {
      this.#options.counters.fallbacks += 1;
      this.#fallBack(this.#pendingFrom);
      return;
    }
    this.#options.counters.framesOut += pending.length;
    this.#lastId = pending.frame?.position;
    this.#port.write(pending.bytes, now);
  }

  reset(reason: 'rollback' | 'epoch', left: Cursor): void {
    // What it has got is written: the log may no longer hold it.
    this.flush();
    if (this.#place.state === 'closed') return;
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
    // Without an address there is nothing to read before now.
    const next = new Track(
      addresses.length === 0 ? hub.position : addresses.map(floorOf).reduce(earlierOf, position),
    );
    for (const address of addresses) {
      const track = this.#tracks.of(address)!;
      const stood = laterOf(track.positionOf(address), track === this.#main ? reached : BEGINNING);
      const from = track.pendingGapOf(address)?.from ?? formatCursor(left.epoch, stood);
      next.add(address, floorOf(address), { from, reason });
    }
    this.#leaveHub();
    this.#place = { state: 'replaying', heldCursor: addresses.length === 0 ? undefined : heldCursor };
    this.#lastId = undefined;
    this.#tracks.replace(next);
    for (const address of rewinding) this.#port.control(FRAME.caughtup, { address });
    this.#advance();
  }

  fallBehind(): void {
    // What it has got is written: read again, it may be gone.
    this.flush();
    if (this.#isLive) this.#fallBack();
  }

  /** Leaves the live events; what was queued is dropped and read again from the log. */
  #fallBack(position: Position = this.#pending === undefined ? this.position : this.#pendingFrom): void {
    if (this.#isLive) {
      this.#leaveHub();
      this.#main.position = position;
      this.#place = REPLAYING;
    }
    void this.#pull();
  }

  #leaveHub(): void {
    this.#pending = undefined;
    if (this.#isLive)
      for (const address of this.#main.addresses.keys()) this.#options.hub.leave(address, this);
  }

  // Replay ------------------------------------------------------------------------------------------------------------

  /** Goes live where the main track has reached the tail, else pulls pages. */
  #advance(): void {
    const place = this.#place;
    if (place.state === 'closed') return;
    if (place.state === 'replaying' && this.#hasReachedTail()) this.#goLive();
    if (!this.#isLive || this.#tracks.isRewinding) void this.#pull();
    this.#callAfterGaps();
  }

  #hasReachedTail(): boolean {
    const { hub } = this.#options;
    return comparePositions(this.#main.position, hub.position) >= 0 && !this.#main.hasStartAhead;
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

  /** Calls, in a microtask, once no gap of what was asked for is waiting to be announced. */
  afterGaps(call: () => void): void {
    this.#afterGaps.push(call);
    this.#callAfterGaps();
  }

  /** In microtasks: they run code of the application, which may end the connection. */
  #callAfterGaps(): void {
    if (this.#afterGaps.length === 0 || this.#tracks.awaitsGaps) return;
    for (const call of this.#afterGaps.splice(0)) queueMicrotask(call);
  }

  /** Announces gaps of the main track; from then on ids say where delivery goes on. */
  #announceMain(gaps: readonly FoundGap[]): void {
    this.#announce(gaps);
    if (this.#place.state === 'replaying') this.#place = REPLAYING;
    // A client that comes back from here is not told again.
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
      // A caller that is still opening writes its frames first.
      await Promise.resolve();
      while (!this.#port.closed) {
        const track = this.#tracks.next(this.#isLive);
        if (track === undefined) break;
        if (this.#port.writable) await this.#pullPage(track);
        else await this.#port.drained();
      }
    } catch (error) {
      this.#port.onFailure(error);
    } finally {
      this.#pulling = false;
    }
  }

  async #pullPage(track: Track): Promise<void> {
    const { hub, counters } = this.#options;
    const before = track.position;
    if (track.addresses.size > 0) {
      const { additions } = track;
      const page = await hub.pages.read(before, track.ask());
      // While the page was read: closed, reset, unsubscribed, or one more was subscribed, of which it has nothing.
      if (this.#port.closed || !this.#tracks.includes(track) || track.additions !== additions) return;
      // The heartbeat may come late, after a suspend for example.
      if (this.#port.endIfOver(this.#options.clock.now())) return;
      // The log has another numbering already; the tail is about to tell.
      if (page.epoch !== hub.epoch) return await hub.changed();
      this.flush();
      const isMain = track === this.#main;
      const gaps = track.takeGaps(page);
      if (isMain) this.#announceMain(gaps);
      else this.#announce(gaps);
      // A rewind must not overtake what it is to be merged into: its ids would say that the rest was written too.
      const end = isMain ? page.through : earlierOf(page.through, this.position);
      const events = track.owedOf(page, end);
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
    // Pages are older than what the tail has told, as those of a replica: they come further when it does.
    if (track.position === before && this.#isReading(track)) await hub.changed();
  }

  #isReading(track: Track): boolean {
    if (track === this.#main) return this.#place.state === 'replaying';
    return this.#place.state !== 'closed' && this.#tracks.includes(track);
  }

  #writeEvents(events: readonly LogEvent[], lastId: Position | undefined): void {
    const { hub, counters } = this.#options;
    counters.framesOut += events.length;
    if (lastId !== undefined) this.#lastId = events.at(-1)!.position;
    this.#port.write(hub.pages.encode(events));
  }

  /** A rewind that reached the main track becomes part of it. */
  #merge(track: Track): void {
    if (this.#place.state === 'closed') return;
    if (comparePositions(track.position, this.position) < 0) this.#tracks.putBack(track);
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

  /** Tells the client where it stands, if that moved though nothing matched. */
  bookmarkIfMoved(): boolean {
    const moved = this.hasCursor && this.#isLive && this.#lastId !== this.#options.hub.position;
    if (moved) this.#bookmark();
    return moved;
  }

  #bookmark(): void {
    this.flush();
    this.#lastId = this.position;
    this.#port.control(FRAME.bookmark, {}, this.#options.hub.cursorAt(this.position));
  }
}
