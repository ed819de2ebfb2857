/** One open response of a feed: writes frames in order, replays from the log, goes live, falls back, ends. */
import {
  BEGINNING,
  comparePositions,
  encodeFrame,
  FRAME,
  formatEndMark,
  formatStreamId,
  PROTOCOL_VERSION,
  type Gap,
  type Position,
  type Reconnect,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import type { Batch, Frame } from './batch.ts';
import type { Clock } from './clock.ts';
import type { Beating } from './heartbeat.ts';
import type { Hub, Member } from './hub.ts';
import type { FeedLimits } from './limits.ts';
import type { LogEvent } from './log.ts';
import type { Outlet, OutletListener } from './outlet.ts';
import { earlierOf, laterOf, Track, type FoundGap, type PendingGap } from './track.ts';
import { Writer } from './writer.ts';

const encoder = new TextEncoder();

/** Most events and bytes of one page of a replay: what a reader may make the server hold for it at once. */
const PAGE_EVENTS = 500;
const PAGE_BYTES = 256 * 1024;
const RESET_POLL_MS = 10;

const PING: Uint8Array = encoder.encode(encodeFrame({ event: FRAME.ping, data: '{}' }));

/** Why a connection ended, as hooks and statistics see it. */
export type CloseReason = 'client' | 'finished' | 'stalled' | 'failed' | Reconnect['reason'];

/** Where a logged subscription starts. */
export interface Start {
  readonly position: Position | 'now';
  readonly gap?: PendingGap | undefined;
}

/** A logged address to be delivered on a connection. */
export interface LoggedStart extends Start {
  /** Its address, which is its event name. */
  readonly event: string;
  readonly asked: string;
  /** Echoed, so that a client that asks twice for one address knows which is answered. */
  readonly key: string | undefined;
  /** It has a start of its own, apart from the connection's cursor. */
  readonly own: boolean;
}

export interface ConnectionHost {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly counters: ConnectionCounters;
  /** Nothing more is said on it; bytes may still wait to be taken. */
  onClose(connection: Connection, reason: CloseReason): void;
  /** Its response is over. */
  onGone(connection: Connection): void;
  onGap(connection: Connection, gap: Gap): void;
  onError(error: unknown): void;
}

export interface ConnectionCounters {
  framesOut: number;
  bytesOut: number;
  fallbacks: number;
  stalled: number;
  gaps: number;
  replayed: number;
  /** Replays that reached the tail, of one event or more. */
  replays: number;
  largestReplay: number;
  /** Most bytes that waited for one reader. */
  bufferedHighWater: number;
}

/** A stream that runs on a connection. */
export interface RunningStream {
  cancel(): void;
}

export class Connection implements Member, Beating, OutletListener {
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** Control requests are applied one after the other. */
  controlled: Promise<void> = Promise.resolve();
  lastControl = 0;
  readonly streams: Map<string, RunningStream> = new Map();

  readonly #host: ConnectionHost;
  readonly #outlet: Outlet;
  readonly #writer: Writer;
  /** Everything that shares the connection's cursor. */
  #main: Track;
  #live = false;
  /** Addresses that started before the main track, each to be merged into it when it has caught up. */
  #rewinds: Track[] = [];
  /** Live events up to here were already replayed: the log was ahead of this process's tail. */
  #skipThrough: Position | undefined;
  #pending: Batch | undefined;
  #pendingFrom: Position = BEGINNING;
  #lastId: Position | undefined;
  #pulling = false;
  #mainTurn = false;
  /** Events since the last time it left the live ones. */
  #replayed = 0;
  #closed = false;
  #endAt: number;
  #expiresAt: number;

  constructor(
    host: ConnectionHost,
    outlet: Outlet,
    identity: { id: string; context: unknown; principal: string | undefined; expiresInMs: number },
  ) {
    this.#host = host;
    this.#outlet = outlet;
    this.#writer = new Writer(outlet, { clock: host.clock, ...host.limits });
    this.id = identity.id;
    this.context = identity.context;
    this.principal = identity.principal;
    this.#main = new Track(host.hub.position);
    const now = host.clock.now();
    const { maxDurationMs } = host.limits;
    // Spread, so that connections opened together do not come back together.
    this.#endAt = maxDurationMs === 0 ? Infinity : now + maxDurationMs * (0.8 + 0.2 * host.clock.random());
    this.#expiresAt = now + identity.expiresInMs;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get isEmpty(): boolean {
    return this.streams.size === 0 && this.#main.addresses.size === 0 && this.#rewinds.length === 0;
  }

  get subscriptionCount(): number {
    return (
      this.streams.size +
      this.#main.addresses.size +
      this.#rewinds.reduce((sum, rewind) => sum + rewind.addresses.size, 0)
    );
  }

  /** Event names of all subscriptions. */
  *events(): Generator<string> {
    yield* this.streams.keys();
    yield* this.#main.addresses.keys();
    for (const rewind of this.#rewinds) yield* rewind.addresses.keys();
  }

  has(event: string): boolean {
    return (
      this.streams.has(event) ||
      this.#main.addresses.has(event) ||
      this.#rewinds.some((rewind) => rewind.addresses.has(event))
    );
  }

  // Opening -----------------------------------------------------------------------------------------------------------

  /**
   * Says hello and starts the logged addresses. `resumed`: the position of a connection cursor that can be used.
   * Nothing but `greet` frames goes out between hello and the gaps.
   */
  open(resumed: Position | undefined, asked: readonly LoggedStart[], greet: () => void): void {
    const { hub, limits } = this.#host;
    const tail = hub.position;
    const starts = [...mergeStarts(asked, tail).values()];
    if (resumed !== undefined) this.#main = new Track(resumed);
    else if (starts.length > 0) {
      this.#main = new Track(starts.map(({ position }) => resolve(position, tail)).reduce(earlierOf));
    }
    this.#outlet.listen(this);
    if (this.#closed) return;
    // Bookmarks tell of what moved since.
    this.#lastId = this.#main.position;
    const usable = starts.length > 0 && !starts.some(({ gap, own }) => gap !== undefined && !own);
    this.#write(
      encoder.encode(
        encodeFrame({
          retryMs: limits.retryMs,
          id: usable ? this.#host.hub.cursorAt(this.#main.position) : undefined,
          event: FRAME.hello,
          data: JSON.stringify({
            protocol: PROTOCOL_VERSION,
            connection: this.id,
            pingMs: limits.pingMs,
            timeoutMs: limits.timeoutMs,
            maxDurationMs: limits.maxDurationMs,
          }),
        }),
      ),
    );
    for (const start of asked) this.#accept(start, undefined);
    for (const start of starts) this.#follow(start);
    greet();
    const gaps = this.#main.hasPendingGaps;
    hub.add(this);
    this.#advance();
    if (gaps && this.#live) this.#bookmark();
  }

  /** Adds a logged address, as control request `n` asked. Two addresses as asked may be one event name; it is delivered once. */
  addLogged(start: LoggedStart, n: number): void {
    const known = this.has(start.event);
    this.#accept(start, n);
    if (!known) this.#follow(start);
  }

  #accept(start: LoggedStart, n: number | undefined): void {
    const position = this.#startOf(start);
    const rewind = !this.has(start.event) && comparePositions(position, this.position) < 0;
    this.control(FRAME.subscribed, {
      address: start.asked,
      event: start.event,
      ...(start.key === undefined ? {} : { key: start.key }),
      ...(n === undefined ? {} : { n }),
      cursor: this.#host.hub.cursorAt(position),
      tail: this.#host.hub.cursor,
      ...(rewind ? { rewind: true as const } : {}),
    } satisfies Subscribed);
  }

  #startOf({ position, own }: LoggedStart): Position {
    const start = resolve(position, this.#host.hub.position);
    return own ? start : laterOf(this.position, start);
  }

  #follow(logged: LoggedStart): void {
    const { event, gap } = logged;
    const start = this.#startOf(logged);
    if (comparePositions(start, this.position) < 0) {
      const track = new Track(start);
      track.add(event, start, gap);
      this.#rewinds.push(track);
      void this.#pull();
      return;
    }
    this.#main.add(event, start, gap);
    if (!this.#live) return;
    if (gap !== undefined) this.#announce(this.#main.takeGaps());
    this.#host.hub.join(event, this);
    // A start ahead of what this process has seen of the log.
    if (comparePositions(start, this.#host.hub.position) > 0) this.#fallBack(this.position);
  }

  /** Drops a subscription. Nothing of it is written after this returns, but what is on its way. */
  remove(event: string): boolean {
    if (!this.has(event)) return false;
    this.streams.get(event)?.cancel();
    this.streams.delete(event);
    this.flush();
    this.#host.hub.leave(event, this);
    this.#main.remove(event);
    for (const rewind of this.#rewinds) rewind.remove(event);
    this.#rewinds = this.#rewinds.filter(({ addresses }) => addresses.size > 0);
    return true;
  }

  // Live --------------------------------------------------------------------------------------------------------------

  deliver(event: LogEvent, frame: Frame): void {
    if (this.#skipThrough !== undefined) {
      if (comparePositions(event.position, this.#skipThrough) <= 0) return;
      this.#skipThrough = undefined;
    }
    if (this.#pending === undefined) {
      this.#pending = this.#host.hub.root;
      this.#pendingFrom = this.position;
      this.#host.hub.schedule(this);
    }
    this.#pending = this.#pending.with(frame);
  }

  flush(): void {
    const pending = this.#pending;
    if (pending === undefined || this.#closed) return;
    this.#pending = undefined;
    const waiting = this.#outlet.bufferedBytes;
    const { maxBufferedBytes } = this.#host.limits;
    // One frame may be larger than the bound; it must still get through once nothing else waits.
    if (waiting + pending.byteLength > maxBufferedBytes && (waiting > 0 || pending.length > 1)) {
      this.#host.counters.fallbacks += 1;
      this.#fallBack(this.#pendingFrom);
      return;
    }
    this.#host.counters.framesOut += pending.length;
    this.#lastId = pending.frame?.position;
    this.#write(pending.bytes);
  }

  reset(reason: 'rollback' | 'epoch', from: string): void {
    if (this.#main.addresses.size === 0 && this.#rewinds.length === 0) return;
    const position = reason === 'epoch' ? BEGINNING : this.#host.hub.position;
    const addresses = [this.#main, ...this.#rewinds].flatMap((track) => [...track.addresses.keys()]);
    for (const { addresses: caughtUp } of this.#rewinds) {
      for (const address of caughtUp.keys()) this.control(FRAME.caughtup, { address });
    }
    this.#rewinds = [];
    this.#fallBack(position);
    this.#lastId = undefined;
    this.#skipThrough = undefined;
    this.#main = new Track(position);
    for (const address of addresses) this.#main.add(address, position, { from, reason });
    this.#advance();
  }

  /** The connection's cursor now: everything up to it was written or is about to be, in front of what comes next. */
  get position(): Position {
    return this.#live ? laterOf(this.#host.hub.position, this.#main.position) : this.#main.position;
  }

  /** Leaves the live events; what was queued is dropped and read again from the log. */
  #fallBack(position: Position): void {
    this.#pending = undefined;
    if (this.#live) for (const address of this.#main.addresses.keys()) this.#host.hub.leave(address, this);
    this.#live = false;
    this.#main.position = position;
    void this.#pull();
  }

  // Replay ------------------------------------------------------------------------------------------------------------

  /** Goes live where the main track has reached the tail, else pulls pages. */
  #advance(): void {
    const { hub } = this.#host;
    if (!this.#live && comparePositions(this.#main.position, hub.position) >= 0) {
      this.#announce(this.#main.takeGaps());
      this.#live = true;
      this.#countReplay();
      this.#skipThrough =
        comparePositions(this.#main.position, hub.position) > 0 ? this.#main.position : undefined;
      for (const address of this.#main.addresses.keys()) hub.join(address, this);
    }
    if (!this.#live || this.#rewinds.length > 0) void this.#pull();
  }

  #countReplay(): void {
    if (this.#replayed === 0) return;
    const { counters } = this.#host;
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
      while (!this.#closed) {
        const track = this.#nextTrack();
        if (track === undefined) break;
        if (this.#outlet.writable) await this.#pullPage(track);
        else await this.#writer.drained();
      }
    } catch (error) {
      this.#host.onError(error);
      this.reconnect('busy', this.#host.limits.retryMs);
    } finally {
      this.#pulling = false;
    }
  }

  /** Rewinds take turns with the main track, which a slow reader may never bring to the tail. */
  #nextTrack(): Track | undefined {
    if (this.#live) return this.#rewinds[0];
    this.#mainTurn = !this.#mainTurn;
    return this.#mainTurn ? this.#main : (this.#rewinds[0] ?? this.#main);
  }

  async #pullPage(track: Track): Promise<void> {
    const { hub, counters } = this.#host;
    if (track.addresses.size > 0) {
      const page = await hub.log.read({
        after: track.position,
        addresses: track.addresses,
        limit: PAGE_EVENTS,
        maxBytes: PAGE_BYTES,
      });
      // While the page was read: closed, reset, or unsubscribed.
      if (this.#closed || (track !== this.#main && !this.#rewinds.includes(track))) return;
      if (page.epoch !== hub.epoch) return await this.#awaitReset();
      this.flush();
      const isMain = track === this.#main;
      const opening = isMain && track.hasPendingGaps;
      const gaps = track.takeGaps(page);
      this.#announce(gaps);
      if (opening || (isMain && gaps.length > 0)) this.#bookmark();
      // A rewind must not overtake what it is to be merged into: its ids would say that the rest was written too.
      const end = isMain ? page.through : earlierOf(page.through, this.position);
      const events = page.events.filter(
        (event) =>
          comparePositions(event.position, end) <= 0 &&
          track.addresses.has(event.address) &&
          comparePositions(event.position, track.addresses.get(event.address)!) > 0,
      );
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
    return new Promise((resolve) => void this.#host.clock.after(RESET_POLL_MS, resolve));
  }

  #writeEvents(events: readonly LogEvent[], lastId: Position | undefined): void {
    const { hub, counters } = this.#host;
    let batch = hub.emptyBatch();
    for (const event of events) batch = batch.with(hub.frameOf(event));
    counters.framesOut += events.length;
    if (lastId !== undefined) this.#lastId = events.at(-1)!.position;
    this.#write(batch.bytes);
  }

  /** A rewind that reached the main track becomes part of it. */
  #merge(track: Track): void {
    this.#rewinds = this.#rewinds.filter((rewind) => rewind !== track);
    if (comparePositions(track.position, this.position) < 0) {
      // To the end of the line: rewinds take turns.
      this.#rewinds.push(track);
      return;
    }
    for (const [address, floor] of track.addresses) {
      this.control(FRAME.caughtup, { address });
      this.#main.add(address, floor);
      if (this.#live) this.#host.hub.join(address, this);
    }
  }

  #announce(gaps: readonly FoundGap[]): void {
    for (const { address, from, to, reason } of gaps) {
      const gap: Gap = {
        address,
        from: 'cursor' in from ? from.cursor : this.#host.hub.cursorAt(from.position),
        to: this.#host.hub.cursorAt(to),
        reason,
      };
      this.#host.counters.gaps += 1;
      this.control(FRAME.gap, gap);
      this.#host.onGap(this, gap);
    }
  }

  // Streams -----------------------------------------------------------------------------------------------------------

  /** Writes an event of a stream; `streamId` undefined: it has none. A promise where the transport is full. */
  sendStreamEvent(event: string, json: string, streamId: string | undefined): void | Promise<void> {
    this.#host.counters.framesOut += 1;
    this.#send({ event, data: json, id: formatStreamId(this.#streamIdPrefix(), streamId) });
    return this.#outlet.writable ? undefined : this.#writer.drained();
  }

  /** Says that a stream is over, for good where `mark` is set; alone on its connection, that ends the response. */
  endStream(event: string, key: string | undefined, error: SubscriptionError | undefined): void {
    if (!this.streams.delete(event)) return;
    const mark = error?.retryable === true ? undefined : formatEndMark(this.#streamIdPrefix());
    const payload = error ?? { address: event, ...(key === undefined ? {} : { key }) };
    this.#send({
      event: error === undefined ? FRAME.end : FRAME.error,
      data: JSON.stringify(payload),
      id: mark,
    });
    if (this.isEmpty && key === undefined) this.end('finished');
  }

  /** The connection's cursor as the first part of a stream's id; empty where nothing logged is subscribed. */
  #streamIdPrefix(): string {
    if (this.#main.addresses.size === 0) return '';
    this.flush();
    return this.#host.hub.cursorAt(this.position);
  }

  // Writing -----------------------------------------------------------------------------------------------------------

  /** Writes a control frame, behind everything that is pending. */
  control(event: string, payload: object): void {
    this.#send({ event, data: JSON.stringify(payload) });
  }

  #bookmark(): void {
    this.flush();
    this.#lastId = this.position;
    this.#send({ event: FRAME.bookmark, data: '{}', id: this.#host.hub.cursorAt(this.position) });
  }

  #send(fields: Parameters<typeof encodeFrame>[0]): void {
    this.flush();
    this.#write(encoder.encode(encodeFrame(fields)));
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { counters } = this.#host;
    counters.bytesOut += bytes.byteLength;
    this.#writer.write(bytes);
    counters.bufferedHighWater = Math.max(counters.bufferedHighWater, this.#outlet.bufferedBytes);
  }

  beat(now: number): void {
    if (this.#closed) {
      // The last bytes are on their way; a reader that never takes them would hold its socket for ever.
      if (this.#writer.look(now) === 'stalled') this.#outlet.destroy();
      return;
    }
    if (now >= this.#expiresAt) return this.reconnect('expired', 0);
    if (now >= this.#endAt) return this.reconnect('lifetime', 0);
    const seen = this.#writer.look(now);
    if (seen === 'stalled') {
      this.#host.counters.stalled += 1;
      this.#close('stalled');
      this.#outlet.destroy();
    } else if (seen === 'silent') {
      const moved = this.#main.addresses.size > 0 && this.#live && this.#lastId !== this.#host.hub.position;
      if (moved) this.#bookmark();
      else this.#write(PING);
    }
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  /** Asks the client to come back, and ends the response. */
  reconnect(reason: Reconnect['reason'], afterMs: number): void {
    if (this.#closed) return;
    this.#send({
      event: FRAME.reconnect,
      data: JSON.stringify({ afterMs, reason } satisfies Reconnect),
      // An EventSource that is closed by its server waits this long.
      retryMs: Math.round(Math.max(afterMs, this.#host.limits.retryMs)),
    });
    this.end(reason);
  }

  end(reason: CloseReason): void {
    if (this.#closed) return;
    this.flush();
    this.#close(reason);
    this.#outlet.end();
  }

  onDrain(): void {
    this.#writer.wake();
  }

  onClose(): void {
    this.#close('client');
    this.#host.onGone(this);
  }

  #close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    const { hub } = this.#host;
    hub.remove(this);
    for (const address of this.#main.addresses.keys()) hub.leave(address, this);
    for (const stream of this.streams.values()) stream.cancel();
    this.streams.clear();
    this.#pending = undefined;
    this.#writer.wake();
    this.#host.onClose(this, reason);
  }
}

/** Entries that come to one event name are delivered once, from the earliest of their starts. */
function mergeStarts(asked: readonly LoggedStart[], tail: Position): Map<string, LoggedStart> {
  const merged = new Map<string, LoggedStart>();
  for (const start of asked) {
    const other = merged.get(start.event);
    if (other === undefined) {
      merged.set(start.event, start);
      continue;
    }
    const isEarlier = comparePositions(resolve(start.position, tail), resolve(other.position, tail)) < 0;
    const { position, own } = isEarlier ? start : other;
    merged.set(start.event, { ...start, position, own, gap: other.gap ?? start.gap });
  }
  return merged;
}

function resolve(position: Position | 'now', tail: Position): Position {
  return position === 'now' ? tail : position;
}
