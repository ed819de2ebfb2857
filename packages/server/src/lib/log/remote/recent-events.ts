/** The newest events of the tail. Pages that need no older ones are read here, without a round trip. */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import { earlierOf, laterOf } from '../../base/position.ts';
import { sizeOf } from '../bounds.ts';
import type { LogEvent, ReadPage, ReadQuery } from '../log.ts';
import type { TailEvent } from './remote-store.ts';

/** Limits, in events and UTF-16 code units. The oldest are dropped. */
const MAX_EVENTS = 2_000;
const MAX_BYTES = 4 * 1024 * 1024;

interface Recent {
  readonly event: TailEvent;
  /** A newer value has superseded it. */
  isSuperseded: boolean;
}

export class RecentEvents {
  #events: Recent[] = [];
  #first = 0;
  #bytes = 0;
  /** The events of each address that are not superseded. */
  readonly #byAddress = new Map<string, Recent[]>();
  /** All events past `start` and up to `end` are here. */
  #start: Position = BEGINNING;
  #end: Position = BEGINNING;

  get end(): Position {
    return this.#end;
  }

  /** Starts again, without events, at a position. */
  reset(position: Position): void {
    this.#events = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#byAddress.clear();
    this.#start = position;
    this.#end = position;
  }

  add(events: readonly TailEvent[], through: Position): void {
    for (const event of events) this.#add(event);
    this.#end = through;
    while (this.#events.length - this.#first > MAX_EVENTS || this.#bytes > MAX_BYTES) this.#dropOldest();
    if (this.#first <= MAX_EVENTS) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  #add(event: TailEvent): void {
    const recent: Recent = { event, isSuperseded: false };
    const others = this.#byAddress.get(event.address);
    this.#events.push(recent);
    this.#bytes += sizeOf(event);
    if (others !== undefined && event.keep === 'all') return void others.push(recent);
    for (const other of others ?? []) other.isSuperseded = true;
    this.#byAddress.set(event.address, [recent]);
  }

  #dropOldest(): void {
    const { event, isSuperseded } = this.#events[this.#first]!;
    this.#first += 1;
    this.#bytes -= sizeOf(event);
    this.#start = event.position;
    if (isSuperseded) return;
    const others = this.#byAddress.get(event.address)!;
    if (others.length === 1) this.#byAddress.delete(event.address);
    else others.shift();
  }

  /** A page, or `undefined` if it needs events that are older. */
  read(query: ReadQuery, epoch: string): ReadPage | undefined {
    const { after, addresses, limit, maxBytes } = query;
    let from = this.#end;
    for (const floor of addresses.values()) {
      const start = laterOf(floor, after);
      if (comparePositions(start, this.#start) < 0) return undefined;
      from = earlierOf(from, start);
    }
    const events: LogEvent[] = [];
    let bytes = 0;
    for (let index = this.#indexAfter(from); index < this.#events.length; index += 1) {
      const { event, isSuperseded } = this.#events[index]!;
      const floor = addresses.get(event.address);
      if (isSuperseded || floor === undefined) continue;
      if (comparePositions(event.position, laterOf(floor, after)) <= 0) continue;
      bytes += event.data.length;
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes)) {
        return { epoch, events, through: events.at(-1)!.position, evictedThrough: new Map() };
      }
      events.push(event);
    }
    return { epoch, events, through: laterOf(after, this.#end), evictedThrough: new Map() };
  }

  #indexAfter(position: Position): number {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePositions(this.#events[middle]!.event.position, position) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
