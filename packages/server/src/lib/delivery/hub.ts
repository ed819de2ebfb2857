/** Fan-out: follows the log's tail and passes each event to the connections that are live at its address. */
import { encodeCleanFrame, formatCursor, type Position } from '@linefeed/shared/wire';
import { Batch, type Frame } from './batch.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log, LogCursor, LogEvent } from '../log/log.ts';
import { PageCache } from './page-cache.ts';

const encoder = new TextEncoder();

/** Poll interval while the log and its tail differ and the tail reports nothing. */
const RECHECK_MS = 10;

export interface Flushable {
  /** Writes what is queued in this tick. `now`: time of the clock. */
  flush(now: number): void;
}

/** Receives the live events of the addresses that it has joined. */
export interface LiveReceiver {
  /** `frame`: one live event, encoded once for all receivers. */
  deliver(frame: Frame): void;
}

/** A subscriber of the hub. */
export interface Subscriber {
  /** The log's numbering changed. `last`: the last position that the tail reported, in the old numbering. */
  reset(reason: 'rollback' | 'epoch', last: LogCursor): void;
  /**
   * Events were evicted before the tail saw them. The missing events are read from the log; its pages report the gaps.
   */
  readFromLog(): void;
  /** The feed is closed: no more events follow. */
  close(): void;
}

export interface HubOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Called before new events are delivered. It ends connections that may no longer receive them. */
  readonly beforeEvents?: (() => void) | undefined;
}

export class Hub {
  readonly log: Log;
  readonly pages: PageCache;
  readonly #clock: Clock;
  readonly #beforeEvents: (() => void) | undefined;
  readonly #tail: { close(): void };
  readonly #routes = new Map<string, Set<LiveReceiver>>();
  readonly #subscribers = new Set<Subscriber>();
  #dirty: Flushable[] = [];
  #flushing = false;
  /** All readers that wait for the tail share one promise and one timer. */
  #change:
    | { readonly promise: Promise<void>; readonly resolve: () => void; readonly timer: Timer }
    | undefined;
  /** The common start of all batches of this tick. Connections that append the same frames to it share their bytes. */
  emptyBatch: Batch = new Batch();
  /** The numbering that `position` belongs to. */
  epoch: string;
  /** Everything up to here was delivered to the live connections. */
  position: Position;
  closed = false;
  /** Events that arrived from the log's tail since the start. */
  eventsIn = 0;

  constructor({ log, clock, onError, beforeEvents }: HubOptions) {
    this.#beforeEvents = beforeEvents;
    this.log = log;
    this.#clock = clock;
    this.pages = new PageCache({ log, clock, encode: (event) => this.#encode(event) });
    const tail = log.tail({
      onEvents: (events, through) => this.#dispatch(events, through),
      onReset: (reason, newest) => this.#reset(reason, newest),
      onError,
    });
    this.#tail = tail;
    this.position = tail.start.position;
    this.epoch = tail.start.epoch;
  }

  /** The cursor of everything delivered so far. */
  get cursor(): string {
    return this.cursorAt(this.position);
  }

  cursorAt(position: Position): string {
    return formatCursor(this.epoch, position);
  }

  get subscriberCount(): number {
    return this.#subscribers.size;
  }

  /** Number of addresses that have a live receiver. */
  get routeCount(): number {
    return this.#routes.size;
  }

  /**
   * Resolves when the tail has reported something, or after `RECHECK_MS`. For a reader whose page disagrees with the
   * tail: reading again at once would be a loop without progress.
   */
  changed(): Promise<void> {
    // The next read must not find the cached page that disagrees with the tail.
    this.pages.forget();
    if (this.#change === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#clock.after(RECHECK_MS, () => this.#notifyChange());
      this.#change = { promise, resolve, timer };
    }
    return this.#change.promise;
  }

  #notifyChange(): void {
    const change = this.#change;
    this.#change = undefined;
    change?.timer.clear();
    change?.resolve();
  }

  /** Registers a subscriber for resets, whether it is live or not. */
  add(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  join(address: string, receiver: LiveReceiver): void {
    const route = this.#routes.get(address);
    if (route === undefined) this.#routes.set(address, new Set([receiver]));
    else route.add(receiver);
  }

  leave(address: string, receiver: LiveReceiver): void {
    const route = this.#routes.get(address);
    if (route?.delete(receiver) === true && route.size === 0) this.#routes.delete(address);
  }

  #encode(event: LogEvent): string {
    return encodeCleanFrame(event.address, event.data, formatCursor(this.epoch, event.position, event.prev));
  }

  /** Schedules a `flush` at the end of this tick. */
  schedule(one: Flushable): void {
    this.#dirty.push(one);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.defer(() => this.#flush());
  }

  close(): void {
    this.closed = true;
    this.#tail.close();
    for (const subscriber of this.#subscribers) subscriber.close();
    this.#notifyChange();
  }

  #dispatch(events: readonly LogEvent[], through: Position): void {
    this.#beforeEvents?.();
    this.eventsIn += events.length;
    this.pages.forget();
    for (const event of events) {
      /* seam: position-after-delivery */ const route = this.#routes.get(event.address);
      if (route !== undefined) {
        const frame: Frame = { position: event.position, bytes: encoder.encode(this.#encode(event)) };
        for (const receiver of route) receiver.deliver(frame);
      }
      // Set after the inner loop: a delivery whose outbox refuses the event reads the position before it.
      this.position = event.position;
    }
    this.position = through;
    if (this.#change !== undefined) this.#notifyChange();
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#flushing = false;
    const now = this.#clock.now();
    for (const one of dirty) one.flush(now);
    this.emptyBatch = new Batch();
  }

  #reset(reason: 'rollback' | 'epoch' | 'trimmed', { epoch, position }: LogCursor): void {
    if (reason === 'trimmed') {
      // Called before the position moves: each subscriber continues from the old position.
      for (const subscriber of this.#subscribers) subscriber.readFromLog();
      this.position = position;
      return this.#notifyChange();
    }
    const last: LogCursor = { epoch: this.epoch, position: this.position };
    // The cached pages have ids of the old numbering.
    this.pages.forget();
    this.position = position;
    this.epoch = epoch;
    for (const subscriber of this.#subscribers) subscriber.reset(reason, last);
    this.#notifyChange();
  }
}
