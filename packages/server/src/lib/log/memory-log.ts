/** A log in the memory of this process. It needs no setup, and is lost when the process ends. */
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../base/clock.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogCursor,
  LogEntry,
  ReadPage,
  ReadQuery,
  Tail,
  TailListener,
} from './log.ts';
import { laterOf } from '../base/position.ts';
import { MAX_WATERMARKS, randomEpoch, checkLogOptions, resolveBounds, type LogBounds } from './bounds.ts';
import { checkKeyed, conflictOf } from './idempotency.ts';
import { EventQueue, type QueueRun, type StoredEvent } from './event-queue.ts';
import { mergeRuns } from './k-way-merge.ts';
import { TailListeners } from './tail-listeners.ts';

export type { LogBounds } from './bounds.ts';

/** The options of `memoryLog`. */
export interface MemoryLogOptions extends LogBounds {
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** The held events of one address. */
interface AddressLog {
  readonly events: EventQueue;
  /** Position of the newest event ever appended to this address. */
  last: Position;
  /** Newest evicted position. */
  evictedThrough: Position;
}

/**
 * A bounded log in memory. Every start has a new epoch, so that cursors of an earlier process cause a gap.
 *
 * @example
 *   import { memoryLog } from '@linefeed/server';
 *
 *   const log = memoryLog({ maxEvents: 50_000, maxAgeMs: 24 * 3_600_000 });
 *
 * @param options Bounds of the log
 * @throws LinefeedError `invalid_option` for a bound that is not a positive number.
 */
export function memoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options);
}

/** Whether only this process has the events of a log. */
export function isMemoryLog(log: Log): boolean {
  return log instanceof MemoryLog;
}

class MemoryLog implements Log {
  readonly epoch: string;
  readonly #clock: Clock;
  readonly #bounds: Required<{ [K in keyof LogBounds]: number }>;
  /** Addresses with held events. */
  readonly #addressLogs = new Map<string, AddressLog>();
  /** Newest evicted position of each address without held events. Insertion order is age. */
  readonly #watermarks = new Map<string, Position>();
  /** Watermark of every address that is in neither map. */
  #forgottenThrough: Position = BEGINNING;
  /**
   * Stored events of `keep: 'all'` and of `latest`, each in order. Two queues: a burst of the first must not evict the
   * second.
   */
  readonly #queues = { all: new EventQueue(), latest: new EventQueue() };
  readonly #keys = new Map<string, StoredEvent>();
  readonly #listeners = new TailListeners();
  #sequence = 0;

  constructor(options: MemoryLogOptions) {
    checkLogOptions('memoryLog', options);
    this.#clock = options.clock ?? systemClock;
    this.epoch = randomEpoch(this.#clock);
    this.#bounds = resolveBounds(options);
  }

  append(entries: readonly LogEntry[], options: AppendOptions = {}): Appended {
    checkKeyed(entries, options);
    this.#evict();
    const earlier = this.#findDuplicate(entries, options.idempotencyKey);
    if (earlier !== undefined) return { epoch: this.epoch, position: earlier.position, duplicate: true };
    const appended = entries.map((entry) => this.#append(entry, options.idempotencyKey));
    this.#evict();
    const position = this.#position;
    if (appended.length > 0) this.#listeners.events(appended, position);
    return { epoch: this.epoch, position, duplicate: false };
  }

  #findDuplicate([entry]: readonly LogEntry[], key: string | undefined): StoredEvent | undefined {
    if (key === undefined || entry === undefined) return undefined;
    const held = this.#keys.get(scopedKey(entry.address, key));
    if (held !== undefined && held.data !== entry.data) throw conflictOf(entry.address, key);
    return held;
  }

  #append({ address, data, keep }: LogEntry, idempotencyKey: string | undefined): StoredEvent {
    this.#sequence += 1;
    const position = this.#sequence.toString(36);
    const addressLog = this.#addressLogs.get(address);
    const held: StoredEvent = {
      address,
      data,
      position,
      prev: keep === 'latest' ? undefined : (addressLog?.last ?? this.#lastOf(address)),
      sequence: this.#sequence,
      keep,
      appendedAt: this.#clock.now(),
      idempotencyKey,
      gone: false,
    };
    this.#put(addressLog ?? this.#openAddressLog(address), held);
    this.#queues[keep].push(held);
    if (idempotencyKey !== undefined) this.#keys.set(scopedKey(address, idempotencyKey), held);
    return held;
  }

  #put(addressLog: AddressLog, held: StoredEvent): void {
    if (held.keep === 'latest') {
      for (let older = addressLog.events.head; older !== undefined; older = addressLog.events.head)
        this.#drop(addressLog, older);
      // The newest value is held, so an earlier eviction is not a loss.
      addressLog.evictedThrough = BEGINNING;
    }
    addressLog.events.push(held);
    addressLog.last = held.position;
  }

  /** Moves the watermark to the new address log, so that events evicted earlier stay marked as evicted. */
  #openAddressLog(address: string): AddressLog {
    const evictedThrough = this.#watermarks.get(address) ?? this.#forgottenThrough;
    const addressLog: AddressLog = { events: new EventQueue(), last: evictedThrough, evictedThrough };
    this.#watermarks.delete(address);
    this.#addressLogs.set(address, addressLog);
    return addressLog;
  }

  /** Last position of an address without an address log. Unknown once any address was forgotten. */
  #lastOf(address: string): Position | undefined {
    return this.#watermarks.get(address) ?? (this.#forgottenThrough === BEGINNING ? BEGINNING : undefined);
  }

  read({ after, addresses, limit, maxBytes }: ReadQuery): ReadPage {
    this.#evict();
    const evictedThrough = new Map<string, Position>();
    const runs: QueueRun[] = [];
    for (const [address, floor] of addresses) {
      const from = laterOf(floor, after);
      const addressLog = this.#addressLogs.get(address);
      const evicted = addressLog?.evictedThrough ?? this.#watermarks.get(address) ?? this.#forgottenThrough;
      if (comparePositions(evicted, from) > 0) evictedThrough.set(address, evicted);
      if (addressLog !== undefined) runs.push(addressLog.events.runAfter(parseInt(from, 36)));
    }
    const events: StoredEvent[] = [];
    let bytes = 0;
    let cut = false;
    mergeRuns(runs, ({ event }) => {
      bytes += event.data.length;
      cut = events.length > 0 && (events.length >= limit || bytes > maxBytes);
      if (!cut) events.push(event);
      return !cut;
    });
    const through = cut
      ? /* seam: page-ends-at-cut */ events.at(-1)!.position
      : laterOf(after, this.#position);
    return { epoch: this.epoch, events, through, evictedThrough };
  }

  newest(): LogCursor {
    return { epoch: this.epoch, position: this.#position };
  }

  get #position(): Position {
    return this.#sequence.toString(36);
  }

  tail(listener: TailListener): Tail {
    return this.#listeners.add(listener, this.newest());
  }

  #evict(): void {
    const { all, latest } = this.#queues;
    const { maxEvents, maxBytes, maxAgeMs } = this.#bounds;
    const oldest = this.#clock.now() - maxAgeMs;
    while (all.isOver(maxEvents, maxBytes) || (all.head?.appendedAt ?? Infinity) < oldest)
      this.#evictHead(all);
    while (latest.isOver(maxEvents, maxBytes)) this.#evictHead(latest);
  }

  #evictHead(queue: EventQueue): void {
    const held = queue.head!;
    const { address, position } = held;
    const addressLog = this.#addressLogs.get(address)!;
    this.#drop(addressLog, held);
    addressLog.evictedThrough = laterOf(addressLog.evictedThrough, position);
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

  #drop(addressLog: AddressLog, held: StoredEvent): void {
    held.gone = true;
    addressLog.events.release(held);
    this.#queues[held.keep].release(held);
    if (held.idempotencyKey !== undefined) this.#keys.delete(scopedKey(held.address, held.idempotencyKey));
  }
}

function scopedKey(address: string, key: string): string {
  return `${address}\n${key}`;
}
