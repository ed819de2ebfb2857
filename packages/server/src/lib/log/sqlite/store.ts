/** Operations of a SQLite log within one transaction: append, evict, read a page, read the tail. */
import type { DatabaseSync } from 'node:sqlite';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import type { Appended, LogEntry, LogEvent, ReadPage, ReadQuery } from '../log.ts';
import { AddressRun } from './address-run.ts';
import { MAX_WATERMARKS, sizeOf, type DEFAULT_BOUNDS } from '../bounds.ts';
import { conflictOf } from '../idempotency.ts';
import { mergeRuns } from '../k-way-merge.ts';
import { RecentEvents } from './event-cache.ts';
import { beginAnew, otherEpoch } from './open-file.ts';
import {
  prepareStatements,
  type AddressRow,
  type EventRow,
  type Meta,
  type OldRow,
  type Statements,
} from './schema.ts';

/** Rows that one step of an eviction reads. */
const EVICT_ROWS = 64;
/** Positions that the first step of a page reads for one address. Each further step reads four times as many. */
const RUN_POSITIONS = 8;
/** When the list of forgettable addresses exceeds its limit, so many more are removed at once. */
const FORGET_ADDRESSES = MAX_WATERMARKS / 10;

export class SqliteStore {
  readonly db: DatabaseSync;
  readonly #bounds: typeof DEFAULT_BOUNDS;
  readonly #clock: Clock;
  /** Separate caches for the tail and for replays: a long replay must not evict the events that all readers share. */
  readonly #recent = { tail: new RecentEvents(), replay: new RecentEvents() };
  readonly #sql: Statements;

  constructor(db: DatabaseSync, bounds: typeof DEFAULT_BOUNDS, clock: Clock) {
    this.db = db;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#sql = prepareStatements(db);
  }

  /** Runs `work` as one transaction: all of it or nothing. */
  transact<T>(kind: 'read' | 'write', work: () => T): T {
    (kind === 'write' ? this.#sql.beginWrite : this.#sql.beginRead).run();
    try {
      const result = work();
      this.#sql.commit.run();
      return result;
    } catch (error) {
      // After some failures SQLite has already ended the transaction, and a rollback throws.
      try {
        this.#sql.rollback.run();
      } catch {}
      throw error;
    }
  }

  meta(): Meta {
    return { ...(this.#sql.meta.get() as unknown as Meta) };
  }

  /** Changes if another connection has changed the file. */
  version(): number {
    return Number(this.#sql.version.get()!['data_version']);
  }

  beginAnew(before: string): void {
    beginAnew(this.db, otherEpoch(this.#clock, before));
  }

  forgetRecent(): void {
    this.#recent.tail.clear();
    this.#recent.replay.clear();
  }

  // Appending ---------------------------------------------------------------------------------------------------------

  /** Returns the earlier append with this key. @throws LinefeedError `idempotency_conflict` */
  findDuplicate({ epoch }: Meta, { address, data }: LogEntry, key: string): Appended | undefined {
    const row = this.#addressOf(address);
    if (row === undefined) return undefined;
    const found = (this.#sql.keyOfEvent.get(row.id, key) ??
      this.#sql.keyOfLatest.get(row.id, key)) as unknown as { position: number; data: string } | undefined;
    if (found === undefined) return undefined;
    if (found.data !== data) throw conflictOf(address, key);
    return { epoch, position: toPosition(found.position), duplicate: true };
  }

  append(meta: Meta, { address, data, keep }: LogEntry, key: string | undefined): LogEvent {
    const now = Math.floor(this.#clock.wallNow());
    meta.sequence += 1;
    const { sequence } = meta;
    const row = this.#addressOf(address) ?? this.#addAddress(meta, address);
    const bytes = sizeOf({ address, data }, key);
    if (row.held === 0 && row.latest === 0) meta.idle -= 1;
    if (keep === 'latest') {
      this.#supersede(meta, row);
      this.#sql.insertLatest.run(sequence, row.id, bytes, key ?? null, data);
      this.#sql.updateAddress.run(sequence, 0, 0, sequence, row.id);
      meta.latest_events += 1;
      meta.latest_bytes += bytes;
    } else {
      this.#sql.insertEvent.run(sequence, row.id, row.last, now, bytes, key ?? null, data);
      this.#sql.updateAddress.run(sequence, row.evicted, row.held + 1, row.latest, row.id);
      meta.events += 1;
      meta.bytes += bytes;
    }
    const prev = keep === 'latest' ? null : row.last;
    return toEvent({ position: sequence, address, prev, data });
  }

  #addressOf(name: string): AddressRow | undefined {
    return this.#sql.address.get(name) as unknown as AddressRow | undefined;
  }

  #addAddress(meta: Meta, name: string): AddressRow {
    // Once any address was forgotten, this may be one of them, so its last position is unknown.
    const last = meta.forgotten === 0 ? 0 : null;
    const id = Number(this.#sql.insertAddress.run(name, last, meta.forgotten).lastInsertRowid);
    meta.idle += 1;
    return { id, name, last, evicted: meta.forgotten, held: 0, latest: 0 };
  }

  #supersede(meta: Meta, row: AddressRow): void {
    if (row.latest > 0) {
      const old = this.#sql.deleteLatest.get(row.latest) as unknown as OldRow;
      meta.latest_events -= 1;
      meta.latest_bytes -= old.bytes;
    }
    if (row.held === 0) return;
    // The topic had `keep: 'all'` before.
    const { bytes } = this.#sql.sizeOfAddress.get(row.id) as unknown as { bytes: number };
    this.#sql.deleteOfAddress.run(row.id);
    meta.events -= row.held;
    meta.bytes -= bytes;
  }

  save(meta: Meta): void {
    const { sequence, evicted, forgotten, events, bytes, latest_events, latest_bytes, idle } = meta;
    this.#sql.saveMeta.run(sequence, evicted, forgotten, events, bytes, latest_events, latest_bytes, idle);
  }

  /** Caches events for readers at or near the tail. */
  remember(events: readonly LogEvent[]): void {
    for (const event of events) this.#recent.tail.add(toNumber(event.position), event);
  }

  // Evicting ----------------------------------------------------------------------------------------------------------

  /** Whether the oldest event is past the maximum age. */
  isStale(): boolean {
    const oldest = this.#sql.oldest.get() as unknown as { appended_at: number } | undefined;
    return oldest !== undefined && oldest.appended_at < this.#clock.wallNow() - this.#bounds.maxAgeMs;
  }

  /** Evicts down to the bounds. `aged`: by age too, which tolerates a delay. */
  evict(meta: Meta, aged: boolean): void {
    const { maxEvents, maxBytes, maxAgeMs } = this.#bounds;
    const cutoff = aged ? this.#clock.wallNow() - maxAgeMs : -Infinity;
    // One eviction serves many appends, because each one rewrites file pages that an append does not touch.
    const isFull = meta.events > maxEvents || meta.bytes > maxBytes;
    const events = isFull ? maxEvents - Math.min(EVICT_ROWS, Math.floor(maxEvents / 16)) : maxEvents;
    const bytes = isFull ? maxBytes * (1 - 1 / 64) : maxBytes;
    if (isFull || aged) {
      this.#evictFrom(meta, 'held', (row) => {
        if (!(meta.events > events || meta.bytes > bytes || row.appended_at < cutoff)) return false;
        meta.events -= 1;
        meta.bytes -= row.bytes;
        return true;
      });
    }
    if (meta.latest_events > maxEvents || meta.latest_bytes > maxBytes) {
      this.#evictFrom(meta, 'latest', (row) => {
        if (!(meta.latest_events > maxEvents || meta.latest_bytes > maxBytes)) return false;
        meta.latest_events -= 1;
        meta.latest_bytes -= row.bytes;
        return true;
      });
    }
    if (meta.idle > MAX_WATERMARKS) this.#forgetAddresses(meta);
  }

  #evictFrom(meta: Meta, kind: 'held' | 'latest', isOver: (row: OldRow) => boolean): void {
    const [oldest, deleteThrough] =
      kind === 'held'
        ? [this.#sql.oldEvents, this.#sql.deleteEvents]
        : [this.#sql.oldLatest, this.#sql.deleteLatestThrough];
    for (;;) {
      const marks = new Map<number, { evicted: number; count: number }>();
      let through = 0;
      let count = 0;
      for (const row of oldest.iterate(EVICT_ROWS) as Iterable<unknown> as Iterable<OldRow>) {
        if (!isOver(row)) break;
        through = row.position;
        count += 1;
        marks.set(row.address, { evicted: through, count: (marks.get(row.address)?.count ?? 0) + 1 });
      }
      if (count === 0) return;
      deleteThrough.run(through);
      meta.evicted = Math.max(meta.evicted, through);
      for (const [id, mark] of marks) this.#mark(meta, id, mark, kind);
      if (count < EVICT_ROWS) return;
    }
  }

  #mark(
    meta: Meta,
    id: number,
    { evicted, count }: { evicted: number; count: number },
    kind: 'held' | 'latest',
  ): void {
    const left = (
      kind === 'held' ? this.#sql.markHeld.get(evicted, count, id) : this.#sql.markLatest.get(evicted, id)
    ) as { held: number; latest: number } | undefined;
    if (left?.held === 0 && left.latest === 0) meta.idle += 1;
  }

  #forgetAddresses(meta: Meta): void {
    const rows = this.#sql.idle.all(meta.idle - MAX_WATERMARKS + FORGET_ADDRESSES) as unknown as AddressRow[];
    for (const { id, evicted } of rows) {
      this.#sql.deleteAddress.run(id);
      meta.forgotten = Math.max(meta.forgotten, evicted);
    }
    meta.idle -= rows.length;
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  readPage(meta: Meta, { after, addresses, limit, maxBytes }: ReadQuery): ReadPage {
    const evictedThrough = new Map<string, Position>();
    const runs: AddressRun[] = [];
    const first = addresses.size === 1 ? limit + 1 : RUN_POSITIONS;
    for (const [address, floor] of addresses) {
      const from = Math.max(toNumber(after), toNumber(floor));
      const row = this.#addressOf(address);
      const evicted = row?.evicted ?? meta.forgotten;
      if (evicted > from) evictedThrough.set(address, toPosition(evicted));
      if (row !== undefined && row.held + row.latest > 0)
        runs.push(new AddressRun(this.#sql.positions, row, from, first));
    }
    const events: LogEvent[] = [];
    let bytes = 0;
    let cut = false;
    mergeRuns(runs, ({ head, address }) => {
      cut = events.length >= limit;
      if (cut) return false;
      const event = this.#eventAt(head, address);
      bytes += event.data.length;
      cut = events.length > 0 && bytes > maxBytes;
      if (!cut) events.push(event);
      return !cut;
    });
    const newest = toPosition(meta.sequence);
    const through = cut ? events.at(-1)!.position : comparePositions(after, newest) > 0 ? after : newest;
    return { epoch: meta.epoch, events, through, evictedThrough };
  }

  /** Returns the same object to every reader while it is cached. */
  #eventAt(position: number, address: string): LogEvent {
    const known = this.#recent.tail.get(position) ?? this.#recent.replay.get(position);
    if (known !== undefined) return known;
    const row = (this.#sql.event.get(position) ?? this.#sql.latest.get(position)) as unknown as EventRow;
    const event = toEvent({ ...row, position, address });
    this.#recent.replay.add(position, event);
    return event;
  }

  /** The events after `after`, of all addresses. */
  readTail(after: number, limit: number, maxBytes: number): LogEvent[] {
    const events: LogEvent[] = [];
    let bytes = 0;
    for (const row of this.#sql.tail.iterate(
      after,
      after,
      limit,
    ) as Iterable<unknown> as Iterable<EventRow>) {
      bytes += row.data.length;
      if (events.length > 0 && bytes > maxBytes) break;
      events.push(
        this.#recent.tail.get(row.position) ?? this.#recent.replay.get(row.position) ?? toEvent(row),
      );
    }
    this.remember(events);
    return events;
  }
}

function toEvent({ position, address, prev, data }: EventRow): LogEvent {
  return {
    address,
    data,
    position: toPosition(position),
    prev: prev === null ? undefined : toPosition(prev),
  };
}

export function toPosition(sequence: number): Position {
  return sequence === 0 ? BEGINNING : sequence.toString(36);
}

/** A position may be untrusted input. A number too large to be exact becomes the largest one, past every event. */
export function toNumber(position: Position): number {
  return Math.min(parseInt(position, 36), Number.MAX_SAFE_INTEGER);
}
