/** The open database of a SQLite log: transactions, and the appends within one. */
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../base/clock.ts';
import { sizeOf, type DEFAULT_BOUNDS } from '../bounds.ts';
import { conflictOf } from '../idempotency.ts';
import type { Appended, LogEntry, LogEvent } from '../log.ts';
import { Eviction } from './eviction.ts';
import { beginAnew, otherEpoch } from './log-file.ts';
import { EventReader } from './reader.ts';
import { toEvent, toPosition } from './rows.ts';
import {
  prepareTransaction,
  runTransaction,
  type TransactionStatements,
} from '../../database/sqlite/transaction.ts';
import { prepareStatements, type AddressRow, type Meta, type OldRow, type Statements } from './schema.ts';

export class SqliteStore {
  readonly db: DatabaseSync;
  readonly eviction: Eviction;
  readonly reader: EventReader;
  readonly #clock: Clock;
  readonly #sql: Statements;
  readonly #transaction: TransactionStatements;

  constructor(db: DatabaseSync, bounds: typeof DEFAULT_BOUNDS, clock: Clock) {
    this.db = db;
    this.#clock = clock;
    this.#sql = prepareStatements(db);
    this.#transaction = prepareTransaction(db);
    this.eviction = new Eviction(this.#sql, bounds, clock);
    this.reader = new EventReader(this.#sql);
  }

  /** Runs `work` as one transaction: all of it or nothing. */
  transact<T>(kind: 'read' | 'write', work: () => T): T {
    return runTransaction(this.#transaction, kind, work);
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
}
