/** Reads pages and the tail of a SQLite log. All readers of an event get the same object. */
import { comparePositions, type Position } from '@linefeed/shared/wire';
import { mergeRuns } from '../k-way-merge.ts';
import type { LogEvent, ReadPage, ReadQuery } from '../log.ts';
import { AddressRun } from './address-run.ts';
import { RecentEvents } from './event-cache.ts';
import { toEvent, toNumber, toPosition } from './rows.ts';
import type { AddressRow, EventRow, Meta, Statements } from './schema.ts';

/** Positions that the first step of a page reads for one address. Each further step reads four times as many. */
const RUN_POSITIONS = 8;

export class EventReader {
  readonly #sql: Statements;
  /** Separate caches for the tail and for replays: a long replay must not evict the events that all readers share. */
  readonly #recent = { tail: new RecentEvents(), replay: new RecentEvents() };

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** Caches events for readers at or near the tail. */
  remember(events: readonly LogEvent[]): void {
    for (const event of events) this.#recent.tail.add(toNumber(event.position), event);
  }

  forget(): void {
    this.#recent.tail.clear();
    this.#recent.replay.clear();
  }

  readPage(meta: Meta, { after, addresses, limit, maxBytes }: ReadQuery): ReadPage {
    const evictedThrough = new Map<string, Position>();
    const runs: AddressRun[] = [];
    const first = addresses.size === 1 ? limit + 1 : RUN_POSITIONS;
    for (const [address, floor] of addresses) {
      const from = Math.max(toNumber(after), toNumber(floor));
      const row = this.#sql.address.get(address) as unknown as AddressRow | undefined;
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
