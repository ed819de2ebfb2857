/** Evicts events of a SQLite log down to its bounds, and keeps the watermarks of the evicted addresses. */
import type { Clock } from '../../base/clock.ts';
import { MAX_WATERMARKS, type DEFAULT_BOUNDS } from '../bounds.ts';
import type { AddressRow, Meta, OldRow, Statements } from './schema.ts';

/** Rows that one step of an eviction reads. */
const EVICT_ROWS = 64;
/** When the list of forgettable addresses exceeds its limit, so many more are removed at once. */
const FORGET_ADDRESSES = MAX_WATERMARKS / 10;

/** A column of an address: how many logged events it holds, or the position of its `keep: 'latest'` value. */
type Kind = 'held' | 'latest';

export class Eviction {
  readonly #sql: Statements;
  readonly #bounds: typeof DEFAULT_BOUNDS;
  readonly #clock: Clock;

  constructor(sql: Statements, bounds: typeof DEFAULT_BOUNDS, clock: Clock) {
    this.#sql = sql;
    this.#bounds = bounds;
    this.#clock = clock;
  }

  /** Whether the oldest event is past the maximum age. */
  isDue(): boolean {
    const oldest = this.#sql.oldest.get() as unknown as { appended_at: number } | undefined;
    return oldest !== undefined && oldest.appended_at < this.#clock.wallNow() - this.#bounds.maxAgeMs;
  }

  /** Evicts down to the bounds. `aged`: by age too, which tolerates a delay. */
  run(meta: Meta, aged: boolean): void {
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

  #evictFrom(meta: Meta, kind: Kind, isOver: (row: OldRow) => boolean): void {
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

  #mark(meta: Meta, id: number, { evicted, count }: { evicted: number; count: number }, kind: Kind): void {
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
}
