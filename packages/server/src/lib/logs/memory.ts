/** A log in this process's memory: no setup, gone with the process. */
import { BEGINNING, comparePositions, LinefeedError, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../track.ts';
import { systemClock, type Clock } from '../clock.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogEntry,
  LogEvent,
  ReadPage,
  ReadQuery,
  TailListener,
} from '../log.ts';

/** How much a log holds. The oldest events go first. */
export interface LogBounds {
  /** Most events held. Default 10,000. */
  readonly maxEvents?: number | undefined;
  /** Longest an event is held, in milliseconds. Default 3,600,000 (1 h). Values of `keep: 'latest'` do not age. */
  readonly maxAgeMs?: number | undefined;
  /** Most bytes of payload and address held, in UTF-16 code units. Default 67,108,864 (64 MiB). */
  readonly maxBytes?: number | undefined;
}

export interface MemoryLogOptions extends LogBounds {
  /** @internal */
  readonly clock?: Clock | undefined;
}

export const DEFAULT_BOUNDS: Required<{ [K in keyof LogBounds]: number }> = {
  maxEvents: 10_000,
  maxAgeMs: 3_600_000,
  maxBytes: 64 * 1024 * 1024,
};

/** Watermarks kept for addresses of which nothing is held any more; the rest share one. */
const MAX_WATERMARKS = 10_000;

interface Held extends LogEvent {
  readonly sequence: number;
  readonly keep: 'all' | 'latest';
  readonly appendedAt: number;
  readonly idempotencyKey: string | undefined;
  /** Superseded or evicted; it stays in the queue until it comes to its head. */
  gone: boolean;
}

/** What is held of one address, oldest first. */
interface Shelf {
  events: Held[];
  last: Position;
}

/**
 * A bounded log in memory. Every start is a new epoch, so that cursors of an earlier process become a gap.
 *
 * @throws LinefeedError `invalid_option` for a bound that is not a positive number.
 */
export function memoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options);
}

class MemoryLog implements Log {
  readonly epoch: string;
  readonly #clock: Clock;
  readonly #maxEvents: number;
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  readonly #shelves = new Map<string, Shelf>();
  /** Newest evicted position by address; insertion order is age. */
  readonly #watermarks = new Map<string, Position>();
  /** Stands for every address that is in neither map. */
  #forgottenThrough: Position = BEGINNING;
  /** Held events of `keep: 'all'` in order, and those of `latest`: a burst of the first must not evict the second. */
  readonly #queues = { all: new Queue(), latest: new Queue() };
  readonly #keys = new Map<string, Held>();
  readonly #listeners = new Set<TailListener>();
  #sequence = 0;

  constructor(options: MemoryLogOptions) {
    this.#clock = options.clock ?? systemClock;
    this.epoch = randomEpoch(this.#clock);
    this.#maxEvents = checkedBound('maxEvents', options.maxEvents);
    this.#maxAgeMs = checkedBound('maxAgeMs', options.maxAgeMs);
    this.#maxBytes = checkedBound('maxBytes', options.maxBytes);
  }

  append(entries: readonly LogEntry[], { idempotencyKey }: AppendOptions = {}): Appended {
    const earlier = this.#findDuplicate(entries, idempotencyKey);
    if (earlier !== undefined) return { position: earlier.position, duplicate: true };
    const appended = entries.map((entry) => this.#append(entry, idempotencyKey));
    this.#evict();
    const through = this.position();
    for (const listener of this.#listeners) listener.onEvents(appended, through);
    return { position: through, duplicate: false };
  }

  #findDuplicate(entries: readonly LogEntry[], key: string | undefined): Held | undefined {
    if (key === undefined) return undefined;
    let last: Held | undefined;
    for (const entry of entries) {
      last = this.#keys.get(scopedKey(entry.address, key));
      if (last === undefined) return undefined;
      if (last.data !== entry.data) {
        throw new LinefeedError(
          'idempotency_conflict',
          `The idempotency key ${JSON.stringify(key)} was used at ${last.address} for another payload; use a new key for a new event.`,
          { status: 409, address: last.address },
        );
      }
    }
    return last;
  }

  #append({ address, data, keep }: LogEntry, idempotencyKey: string | undefined): Held {
    this.#sequence += 1;
    const position = this.#sequence.toString(36);
    const shelf = this.#shelves.get(address);
    const held: Held = {
      address,
      data,
      position,
      prev: keep === 'latest' ? undefined : (shelf?.last ?? this.#lastOf(address)),
      sequence: this.#sequence,
      keep,
      appendedAt: this.#clock.now(),
      idempotencyKey,
      gone: false,
    };
    if (shelf === undefined) {
      this.#shelves.set(address, { events: [held], last: position });
      this.#watermarks.delete(address);
    } else {
      if (keep === 'latest') for (const superseded of shelf.events.splice(0)) this.#drop(superseded);
      shelf.events.push(held);
      shelf.last = position;
    }
    this.#queues[keep].push(held);
    if (idempotencyKey !== undefined) this.#keys.set(scopedKey(address, idempotencyKey), held);
    return held;
  }

  /** Where an address without shelf last stood: unknown once anything was forgotten. */
  #lastOf(address: string): Position | undefined {
    return this.#watermarks.get(address) ?? (this.#forgottenThrough === BEGINNING ? BEGINNING : undefined);
  }

  read({ after, addresses, limit, maxBytes }: ReadQuery): ReadPage {
    this.#evict();
    const evictedThrough = new Map<string, Position>();
    const matches: Held[] = [];
    for (const [address, floor] of addresses) {
      const from = comparePositions(floor, after) > 0 ? floor : after;
      const shelf = this.#shelves.get(address);
      const evicted = this.#watermarks.get(address) ?? (shelf === undefined ? this.#forgottenThrough : BEGINNING);
      if (comparePositions(evicted, from) > 0) evictedThrough.set(address, evicted);
      if (shelf === undefined) continue;
      const start = firstBehind(shelf.events, parseInt(from, 36));
      // The page holds no more than `limit` of any one address, so no more need be looked at.
      for (let index = start; index < shelf.events.length && index < start + limit; index += 1) {
        matches.push(shelf.events[index]!);
      }
    }
    if (addresses.size > 1) matches.sort((a, b) => a.sequence - b.sequence);
    const events = cutPage(matches, limit, maxBytes);
    const whole = events.length === matches.length && events.length < limit;
    return {
      epoch: this.epoch,
      events,
      through: whole ? laterOf(after, this.position()) : events.at(-1)!.position,
      evictedThrough,
    };
  }

  position(): Position {
    return this.#sequence.toString(36);
  }

  tail(listener: TailListener): { position: Position; close(): void } {
    this.#listeners.add(listener);
    return { position: this.position(), close: () => this.#listeners.delete(listener) };
  }

  #evict(): void {
    const { all, latest } = this.#queues;
    const oldest = this.#clock.now() - this.#maxAgeMs;
    while (all.isOver(this.#maxEvents, this.#maxBytes) || (all.head?.appendedAt ?? Infinity) < oldest) {
      this.#evictHead(all);
    }
    while (latest.isOver(this.#maxEvents, this.#maxBytes)) this.#evictHead(latest);
  }

  #evictHead(queue: Queue): void {
    const held = queue.head!;
    const shelf = this.#shelves.get(held.address)!;
    shelf.events.shift();
    this.#drop(held);
    // Deleting first keeps insertion order the order of eviction.
    this.#watermarks.delete(held.address);
    this.#watermarks.set(held.address, held.position);
    if (shelf.events.length > 0) return;
    this.#shelves.delete(held.address);
    if (this.#watermarks.size > MAX_WATERMARKS) this.#forgetOneAddress();
  }

  #forgetOneAddress(): void {
    for (const [address, position] of this.#watermarks) {
      // An address that still holds events needs its own: the shared one would not be asked.
      if (this.#shelves.has(address)) continue;
      this.#watermarks.delete(address);
      this.#forgottenThrough = laterOf(this.#forgottenThrough, position);
      return;
    }
  }

  #drop(held: Held): void {
    held.gone = true;
    this.#queues[held.keep].release(held);
    if (held.idempotencyKey !== undefined) this.#keys.delete(scopedKey(held.address, held.idempotencyKey));
  }
}

/** A queue whose items may leave from anywhere: they are only counted out, and skipped when they come to the head. */
class Queue {
  #items: Held[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;

  get head(): Held | undefined {
    while (this.#items[this.#first]?.gone === true) this.#first += 1;
    // Superseded values pile up in front of and between those that stay.
    if (this.#first > 1024 && this.#first > this.#items.length / 2) this.#compact();
    return this.#items[this.#first];
  }

  push(held: Held): void {
    this.#items.push(held);
    this.#count += 1;
    this.#bytes += sizeOf(held);
    if (this.#items.length > 1024 && this.#items.length > 4 * this.#count) this.#compact();
  }

  release(held: Held): void {
    this.#count -= 1;
    this.#bytes -= sizeOf(held);
  }

  isOver(maxEvents: number, maxBytes: number): boolean {
    return this.#count > maxEvents || (this.#bytes > maxBytes && this.#count > 0);
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#first).filter((held) => !held.gone);
    this.#first = 0;
  }
}

function sizeOf({ address, data }: LogEvent): number {
  return address.length + data.length;
}

function cutPage(matches: readonly Held[], limit: number, maxBytes: number): readonly Held[] {
  let bytes = 0;
  for (const [index, event] of matches.entries()) {
    bytes += event.data.length;
    if (index >= limit || (bytes > maxBytes && index > 0)) return matches.slice(0, index);
  }
  return matches;
}

/** Index of the first event behind a sequence number. */
function firstBehind(events: readonly Held[], sequence: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.sequence <= sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}

function scopedKey(address: string, key: string): string {
  return `${address}\n${key}`;
}

/** 96 random bits in `[0-9a-z]`. */
export function randomEpoch(clock: Clock): string {
  let epoch = '';
  while (epoch.length < 19) epoch += Math.floor(clock.random() * 36 ** 6).toString(36).padStart(6, '0');
  return epoch.slice(0, 19);
}

/** @throws LinefeedError `invalid_option` */
export function checkedBound(name: keyof LogBounds, value: number | undefined): number {
  const bound = value ?? DEFAULT_BOUNDS[name];
  if (!(bound > 0)) {
    throw new LinefeedError('invalid_option', `${name} of a log must be a positive number, not ${String(value)}.`);
  }
  return bound;
}
