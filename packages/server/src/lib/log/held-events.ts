/** The events that a log holds in memory: bounds, watermarks, idempotency keys and pages. It gives no positions. */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../base/position.ts';
import { MAX_WATERMARKS, type DEFAULT_BOUNDS } from './bounds.ts';
import { EventQueue, type QueueRun, type StoredEvent } from './event-queue.ts';
import { mergeRuns } from './k-way-merge.ts';
import type { ReadPage, ReadQuery } from './log.ts';

/** The held events of one address. */
interface AddressLog<E extends StoredEvent> {
  readonly events: EventQueue<E>;
  /** Position of the newest event ever appended to this address. */
  last: Position;
  /** Newest evicted position. */
  evictedThrough: Position;
}

interface HeldPage<E> extends Omit<ReadPage, 'epoch' | 'events'> {
  readonly events: readonly E[];
}

export class HeldEvents<E extends StoredEvent = StoredEvent> {
  readonly #bounds: typeof DEFAULT_BOUNDS;
  /** The number of a position. It orders the events. */
  readonly #sequenceOf: (position: Position) => number;
  readonly #onDrop: ((held: E) => void) | undefined;
  /** Addresses with held events. */
  readonly #addressLogs = new Map<string, AddressLog<E>>();
  /** Newest evicted position of each address without held events. Insertion order is age. */
  readonly #watermarks = new Map<string, Position>();
  /** Watermark of every address that is in neither map. */
  #forgottenThrough: Position = BEGINNING;
  #evictedThrough: Position = BEGINNING;
  /**
   * Stored events of `keep: 'all'` and of `latest`, each in order. Two queues: a burst of the first must not evict the
   * second.
   */
  readonly #queues = { all: new EventQueue<E>(), latest: new EventQueue<E>() };
  readonly #keys = new Map<string, E>();

  /** `onDrop` gets each event that is superseded or evicted. */
  constructor(
    bounds: typeof DEFAULT_BOUNDS,
    sequenceOf: (position: Position) => number,
    onDrop?: (held: E) => void,
  ) {
    this.#bounds = bounds;
    this.#sequenceOf = sequenceOf;
    this.#onDrop = onDrop;
  }

  /** Newest position that was evicted from any address. */
  get evictedThrough(): Position {
    return this.#evictedThrough;
  }

  get forgottenThrough(): Position {
    return this.#forgottenThrough;
  }

  /** The held event of an idempotency key. */
  keyed(address: string, key: string): E | undefined {
    return this.#keys.get(scopedKey(address, key));
  }

  /** Position of the newest event of an address. Unknown once any address was forgotten. */
  lastOf(address: string): Position | undefined {
    return (
      this.#addressLogs.get(address)?.last ??
      this.#watermarks.get(address) ??
      (this.#forgottenThrough === BEGINNING ? BEGINNING : undefined)
    );
  }

  /** Holds an event that is newer than all others. */
  add(held: E): void {
    const { address, keep, idempotencyKey } = held;
    const addressLog = this.#addressLogs.get(address) ?? this.#openAddressLog(address);
    if (keep === 'latest') {
      for (let older = addressLog.events.head; older !== undefined; older = addressLog.events.head)
        this.#drop(addressLog, older);
      // The newest value is held, so an earlier eviction is not a loss.
      addressLog.evictedThrough = BEGINNING;
    }
    addressLog.events.push(held);
    addressLog.last = held.position;
    this.#queues[keep].push(held);
    if (idempotencyKey !== undefined) this.#keys.set(scopedKey(address, idempotencyKey), held);
  }

  /** Moves the watermark to the new address log, so that events evicted earlier stay marked as evicted. */
  #openAddressLog(address: string): AddressLog<E> {
    const evictedThrough = this.#watermarks.get(address) ?? this.#forgottenThrough;
    const addressLog = { events: new EventQueue<E>(), last: evictedThrough, evictedThrough };
    this.#watermarks.delete(address);
    this.#addressLogs.set(address, addressLog);
    return addressLog;
  }

  /** The held event at a position. */
  at(address: string, position: Position): E | undefined {
    const run = this.#addressLogs.get(address)?.events.runAfter(this.#sequenceOf(position) - 1);
    return run !== undefined && run.head < Infinity && run.event.position === position
      ? run.event
      : undefined;
  }

  /** Drops all events. Everything up to this position counts as evicted. */
  forgetAll(through: Position): void {
    for (const { events } of this.#addressLogs.values())
      for (let held = events.head; held !== undefined; held = events.head) this.#drop({ events }, held);
    this.#addressLogs.clear();
    this.#watermarks.clear();
    this.#forgottenThrough = through;
    this.#evictedThrough = through;
  }

  /** The evicted positions of each address, and those shared by all others, for a log that stores them. */
  watermarks(): Array<[string, Position]> {
    const marks = [...this.#watermarks];
    for (const [address, { evictedThrough }] of this.#addressLogs)
      if (evictedThrough !== BEGINNING) marks.push([address, evictedThrough]);
    return marks;
  }

  /** Takes stored watermarks, after the stored events were added. */
  restoreWatermarks(forgotten: Position, marks: ReadonlyArray<readonly [string, Position]>): void {
    this.#forgottenThrough = forgotten;
    this.#evictedThrough = laterOf(this.#evictedThrough, forgotten);
    for (const [address, position] of marks) {
      this.#evictedThrough = laterOf(this.#evictedThrough, position);
      const addressLog = this.#addressLogs.get(address);
      if (addressLog === undefined) this.#watermarks.set(address, position);
      else {
        addressLog.evictedThrough = laterOf(addressLog.evictedThrough, position);
        addressLog.last = laterOf(addressLog.last, position);
      }
    }
  }

  /** A page up to `newest`, the newest position of the log. */
  read({ after, addresses, limit, maxBytes }: ReadQuery, newest: Position): HeldPage<E> {
    const evictedThrough = new Map<string, Position>();
    const runs: Array<QueueRun<E>> = [];
    for (const [address, floor] of addresses) {
      const from = laterOf(floor, after);
      const addressLog = this.#addressLogs.get(address);
      const evicted = addressLog?.evictedThrough ?? this.#watermarks.get(address) ?? this.#forgottenThrough;
      if (comparePositions(evicted, from) > 0) evictedThrough.set(address, evicted);
      if (addressLog !== undefined) runs.push(addressLog.events.runAfter(this.#sequenceOf(from)));
    }
    const { events, cut } = takeEvents(runs, limit, maxBytes);
    const through = cut ? /* seam: page-ends-at-cut */ events.at(-1)!.position : laterOf(after, newest);
    return { events, through, evictedThrough };
  }

  /** The held events of all addresses past a position. `cut`: there are more. */
  readAll(after: Position, limit: number, maxBytes: number): { events: E[]; cut: boolean } {
    const sequence = this.#sequenceOf(after);
    return takeEvents(
      [this.#queues.all.runAfter(sequence), this.#queues.latest.runAfter(sequence)],
      limit,
      maxBytes,
    );
  }

  /** Evicts the events over the bounds, and events of `keep: 'all'` that were appended before `oldest`. */
  evict(oldest: number): void {
    const { all, latest } = this.#queues;
    const { maxEvents, maxBytes } = this.#bounds;
    while (all.isOver(maxEvents, maxBytes) || (all.head?.appendedAt ?? Infinity) < oldest)
      this.#evictHead(all);
    while (latest.isOver(maxEvents, maxBytes)) this.#evictHead(latest);
  }

  #evictHead(queue: EventQueue<E>): void {
    const held = queue.head!;
    const { address, position } = held;
    const addressLog = this.#addressLogs.get(address)!;
    this.#drop(addressLog, held);
    addressLog.evictedThrough = laterOf(addressLog.evictedThrough, position);
    this.#evictedThrough = laterOf(this.#evictedThrough, position);
    if (addressLog.events.count > 0) return;
    this.#addressLogs.delete(address);
    this.#watermarks.set(address, addressLog.evictedThrough);
    if (this.#watermarks.size > MAX_WATERMARKS) this.#forgetOneAddress();
  }

  #forgetOneAddress(): void {
    const [address, position] = this.#watermarks.entries().next().value!;
    this.#watermarks.delete(address);
    this.#forgottenThrough = laterOf(this.#forgottenThrough, position);
  }

  #drop(addressLog: Pick<AddressLog<E>, 'events'>, held: E): void {
    held.gone = true;
    addressLog.events.release(held);
    this.#queues[held.keep].release(held);
    const { address, idempotencyKey } = held;
    if (idempotencyKey !== undefined) this.#keys.delete(scopedKey(address, idempotencyKey));
    this.#onDrop?.(held);
  }
}

function takeEvents<E extends StoredEvent>(
  runs: ReadonlyArray<QueueRun<E>>,
  limit: number,
  maxBytes: number,
): { events: E[]; cut: boolean } {
  const events: E[] = [];
  let bytes = 0;
  let cut = false;
  mergeRuns(runs, ({ event }) => {
    bytes += event.data.length;
    cut = events.length > 0 && (events.length >= limit || bytes > maxBytes);
    if (!cut) events.push(event);
    return !cut;
  });
  return { events, cut };
}

function scopedKey(address: string, key: string): string {
  return `${address}\n${key}`;
}
