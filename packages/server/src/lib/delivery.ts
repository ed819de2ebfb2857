/** The logged addresses of one connection: replayed by pulled pages, then live, and back when the reader falls behind. */
import { BEGINNING, comparePositions, FRAME, type Position, type Subscribed } from '@linefeed/shared/wire';
import type { Batch, Frame } from './batch.ts';
import { announceGaps, type DeliveryOptions, type DeliveryPort } from './delivery-port.ts';
import type { Member } from './hub.ts';
import type { LogEvent } from './log.ts';
import { mergeStarts, positionOf, type LoggedStart } from './start.ts';
import { earlierOf, laterOf, Track, type FoundGap, type PendingGap } from './track.ts';
import { Tracks } from './tracks.ts';

const RESET_POLL_MS = 10;

export class LoggedDelivery implements Member {
  readonly #options: DeliveryOptions;
  readonly #port: DeliveryPort;
  readonly #tracks: Tracks;
  #live = false;
  /** Live events up to here were already replayed: the log was ahead of this process's tail. */
  #skipThrough: Position | undefined;
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
    return this.#live ? laterOf(this.#options.hub.position, this.#main.position) : this.#main.position;
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
    this.#options.hub.add(this);
    this.#advance();
  }

  /**
   * Adds a logged address, as control request `n` asked. Two addresses as asked may be one event name. It is delivered
   * once: all of it again from an earlier start, which the answer then tells the truth about.
   */
  add(start: LoggedStart, n: number): void {
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
    const { event, gap, isLatest } = logged;
    if (isLatest) (this.#latest ??= new Set()).add(event);
    const start = this.#startOf(logged);
    if (comparePositions(start, this.position) < 0) {
      this.#tracks.rewind(event, start, gap);
      void this.#pull();
      return;
    }
    this.#main.add(event, start, gap);
    if (!this.#live) return;
    if (gap !== undefined) this.#announce(this.#main.takeGaps());
    this.#options.hub.join(event, this);
    // A start ahead of what this process has seen of the log.
    if (comparePositions(start, this.#options.hub.position) > 0) this.#fallBack(this.position);
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
    return this.#tracks.remove(event);
  }

  /** Ends it with its connection. */
  close(): void {
    const { hub } = this.#options;
    hub.remove(this);
    for (const address of this.#main.addresses.keys()) hub.leave(address, this);
    this.#pending = undefined;
    this.#afterGaps = [];
  }

  // Live --------------------------------------------------------------------------------------------------------------

  deliver(event: LogEvent, frame: Frame): void {
    if (this.#skipThrough !== undefined) {
      if (comparePositions(event.position, this.#skipThrough) <= 0) return;
      this.#skipThrough = undefined;
    }
    if (this.#pending === undefined) {
      this.#pending = this.#options.hub.root;
      this.#pendingFrom = this.#options.hub.position;
      this.#options.hub.schedule(this);
    }
    this.#pending = this.#pending.with(frame);
  }

  flush(now?: number): void {
    const pending = this.#pending;
    if (pending === undefined || this.#port.closed) return;
    this.#pending = undefined;
    const waiting = this.#port.bufferedBytes;
    const { maxBufferedBytes } = this.#options.limits;
    // One frame may be larger than the bound; it must still get through once nothing else waits.
    if (waiting + pending.byteLength > maxBufferedBytes && (waiting > 0 || pending.length > 1)) {
      this.#options.counters.fallbacks += 1;
      this.#fallBack(laterOf(this.#pendingFrom, this.#main.position));
      return;
    }
    this.#options.counters.framesOut += pending.length;
    this.#lastId = pending.frame?.position;
    this.#port.write(pending.bytes, now);
  }

  reset(reason: 'rollback' | 'epoch', from: string): void {
    if (this.size === 0) return;
    const position = reason === 'epoch' ? BEGINNING : this.#options.hub.position;
    const addresses = [...this.#tracks.addresses()];
    for (const address of this.#tracks.rewinding()) this.#port.control(FRAME.caughtup, { address });
    this.#fallBack(position);
    this.#lastId = undefined;
    this.#skipThrough = undefined;
    const floorOf = (address: string): Position =>
      this.#latest?.has(address) === true ? BEGINNING : position;
    this.#tracks.replace(new Track(addresses.map(floorOf).reduce(earlierOf)));
    for (const address of addresses) this.#main.add(address, floorOf(address), { from, reason });
    this.#advance();
  }

  fallBehind(): void {
    // What it has got is written: read again, it may be gone.
    this.flush();
    if (this.#live) this.#fallBack(this.position);
  }

  /** Leaves the live events; what was queued is dropped and read again from the log. */
  #fallBack(position: Position): void {
    this.#pending = undefined;
    if (this.#live) for (const address of this.#main.addresses.keys()) this.#options.hub.leave(address, this);
    this.#live = false;
    this.#main.position = position;
    void this.#pull();
  }

  // Replay ------------------------------------------------------------------------------------------------------------

  /** Goes live where the main track has reached the tail, else pulls pages. */
  #advance(): void {
    const { hub } = this.#options;
    if (!this.#live && comparePositions(this.#main.position, hub.position) >= 0) {
      this.#announceOpening(this.#main.takeGaps());
      this.#live = true;
      this.#countReplay();
      this.#skipThrough =
        comparePositions(this.#main.position, hub.position) > 0 ? this.#main.position : undefined;
      for (const address of this.#main.addresses.keys()) hub.join(address, this);
    }
    if (!this.#live || this.#tracks.isRewinding) void this.#pull();
  }

  /** Calls once no gap of the connection's cursor is waiting to be announced: at once, most often. */
  afterGaps(call: () => void): void {
    if (this.#main.hasPendingGaps) this.#afterGaps.push(call);
    else call();
  }

  #announceOpening(gaps: readonly FoundGap[]): void {
    this.#announce(gaps);
    // Where delivery goes on: a client that comes back from here is not told again.
    if (gaps.length > 0) this.#bookmark();
    for (const call of this.#afterGaps.splice(0)) call();
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
        const track = this.#tracks.next(this.#live);
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
    if (track.addresses.size > 0) {
      const { additions } = track;
      const page = await hub.pages.read(track.position, track.ask());
      // While the page was read: closed, reset, unsubscribed, or one more was subscribed, of which it has nothing.
      if (this.#port.closed || !this.#tracks.includes(track) || track.additions !== additions) return;
      if (page.epoch !== hub.epoch) return await this.#awaitReset();
      this.flush();
      const isMain = track === this.#main;
      const gaps = track.takeGaps(page);
      if (isMain) this.#announceOpening(gaps);
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
  }

  /** The log has another numbering already; the tail is about to tell. */
  #awaitReset(): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(RESET_POLL_MS, resolve));
  }

  #writeEvents(events: readonly LogEvent[], lastId: Position | undefined): void {
    const { hub, counters } = this.#options;
    counters.framesOut += events.length;
    if (lastId !== undefined) this.#lastId = events.at(-1)!.position;
    this.#port.write(hub.pages.encode(events));
  }

  /** A rewind that reached the main track becomes part of it. */
  #merge(track: Track): void {
    if (comparePositions(track.position, this.position) < 0) {
      this.#tracks.putBack(track);
      return;
    }
    this.#tracks.drop(track);
    for (const [address, floor] of track.addresses) {
      this.#port.control(FRAME.caughtup, { address });
      this.#main.add(address, floor);
      if (this.#live) this.#options.hub.join(address, this);
    }
  }

  #announce(gaps: readonly FoundGap[]): void {
    announceGaps(gaps, this.#port, this.#options);
  }

  /** Tells the client where it stands, if that moved though nothing matched. */
  bookmarkIfMoved(): boolean {
    const moved = this.hasCursor && this.#live && this.#lastId !== this.#options.hub.position;
    if (moved) this.#bookmark();
    return moved;
  }

  #bookmark(): void {
    this.flush();
    this.#lastId = this.position;
    this.#port.control(FRAME.bookmark, {}, this.#options.hub.cursorAt(this.position));
  }
}
