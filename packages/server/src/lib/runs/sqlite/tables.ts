/** The records and events of runs in an open SQLite file. It knows no locks and no other process. */
import type { DatabaseSync } from 'node:sqlite';
import type { ReadLimit, RecordChange, StoredRecord } from '../run-store.ts';
import {
  prepareTransaction,
  runTransaction,
  type TransactionStatements,
} from '../../database/sqlite/transaction.ts';
import { prepareStatements, type RecordRow, type Statements, type VersionRow } from './schema.ts';

/** No JSON text contains this control character, so it separates the events of a batch. RFC 7464 uses it likewise. */
const SEPARATOR = '\u001E';
/** Cache of pages. Each live run writes to a page of its own: a smaller cache reads them again. KiB. */
const CACHE_KIB = 16_384;
/** Limits of one step of the deletion: records looked at, records deleted, batches deleted. */
const STEP_LOOKED = 5_000;
const STEP_RECORDS = 100;
const STEP_BATCHES = 100;

/** A version, and how long it is valid. Milliseconds since 1970. */
export interface TimedVersion {
  readonly version: number;
  readonly keptUntil: number;
}

/** A record as the last commit of this process left it. */
interface KnownRecord {
  readonly id: number;
  version: number;
  /** The run of the last append. */
  run: number | null;
  runName: string | null;
}

/** Beyond it, all are forgotten. The next commit of each costs a little more. */
const MAX_KNOWN = 10_000;

export class RunTables {
  readonly db: DatabaseSync;
  readonly #sql: Statements;
  readonly #transaction: TransactionStatements;
  readonly #known = new Map<string, KnownRecord>();
  /** Records up to this id were looked at for their deletion. */
  #lookedThrough = 0;

  constructor(db: DatabaseSync) {
    this.db = db;
    db.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    this.#sql = prepareStatements(db);
    this.#transaction = prepareTransaction(db);
  }

  /** Runs `work` as one transaction: all of it or nothing. */
  transact<T>(kind: 'read' | 'write', work: () => T): T {
    try {
      return runTransaction(this.#transaction, kind, work);
    } catch (error) {
      this.#known.clear();
      throw error;
    }
  }

  /** Changes if another connection has changed the file. */
  dataVersion(): number {
    return Number(this.#sql.dataVersion.get()!['data_version']);
  }

  load(key: string, now: number): StoredRecord | undefined {
    const row = this.#sql.load.get(key, now) as unknown as RecordRow | undefined;
    if (row === undefined) return undefined;
    const { version, state, count, lease_until } = row;
    return { version, state, count, leaseLeftMs: lease_until - now, now };
  }

  // Writing -----------------------------------------------------------------------------------------------------------

  /** Returns the new version. `undefined`: the version is not the expected one. */
  commit(key: string, change: RecordChange, now: number): TimedVersion | undefined {
    const leaseUntil = Math.ceil(now + change.leaseMs);
    const keptUntil = Math.ceil(now + change.keepMs);
    const row =
      change.expected === undefined
        ? this.#create(key, change, leaseUntil, keptUntil, now)
        : this.#update(key, change, change.expected, leaseUntil, keptUntil, now);
    if (row === undefined) return undefined;
    const { append } = change;
    if (append !== undefined && append.events.length > 0) {
      if (row.runName !== append.run) this.#setRun(row, append.run);
      this.#sql.append.run(row.run, append.after + 1, append.events.join(SEPARATOR));
    }
    return { version: row.version, keptUntil };
  }

  /** Returns the new record. `undefined`: there is one. */
  #create(
    key: string,
    { count, state = '' }: RecordChange,
    leaseUntil: number,
    keptUntil: number,
    now: number,
  ): KnownRecord | undefined {
    const version = this.#firstVersion(key, now);
    if (version === undefined) return undefined;
    const id = Number(this.#sql.insert.run(key, version, count, leaseUntil, keptUntil).lastInsertRowid);
    this.#sql.insertState.run(id, state);
    return this.#keep(key, { id, version, run: null, runName: null });
  }

  /** Returns the changed record. `undefined`: it has another version. */
  #update(
    key: string,
    { count, state, drop = [] }: RecordChange,
    expected: number,
    leaseUntil: number,
    keptUntil: number,
    now: number,
  ): KnownRecord | undefined {
    let row = this.#known.get(key);
    if (row?.version === expected) {
      // If the version is the same, no other process has changed the record. This is cheaper than RETURNING.
      const { changes } = this.#sql.updateById.run(count, leaseUntil, keptUntil, row.id, expected, now);
      if (Number(changes) === 0) return undefined;
      row.version += 1;
    } else {
      const found = this.#sql.update.get(count, leaseUntil, keptUntil, key, expected, now);
      if (found === undefined) return undefined;
      row = this.#keep(key, found as unknown as KnownRecord);
    }
    if (state !== undefined) this.#sql.updateState.run(state, row.id);
    for (const run of drop) this.#sql.dropRun.run(row.id, run);
    if (row.runName !== null && drop.includes(row.runName)) {
      row.run = row.runName = null;
      this.#sql.setRun.run(null, null, row.id);
    }
    return row;
  }

  #keep(key: string, row: KnownRecord): KnownRecord {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(key, row);
    return row;
  }

  /** Returns the first version of a new record. `undefined`: there is a record. */
  #firstVersion(key: string, now: number): number | undefined {
    const found = this.#sql.find.get(key) as unknown as
      | { id: number; version: number; kept_until: number }
      | undefined;
    if (found !== undefined) {
      if (found.kept_until > now) return undefined;
      this.#delete(found.id, found.version);
    }
    const { deleted_version } = this.#sql.deletedVersion.get() as unknown as { deleted_version: number };
    // The time too: the file may be a new one at the path of an old one.
    return Math.max(deleted_version, Math.floor(now)) + 1;
  }

  #setRun(row: KnownRecord, name: string): void {
    const found = this.#sql.findRun.get(row.id, name) as unknown as { id: number } | undefined;
    row.run = found?.id ?? Number(this.#sql.insertRun.run(row.id, name).lastInsertRowid);
    row.runName = name;
    this.#sql.setRun.run(row.run, name, row.id);
  }

  /** Makes all versions greater than those that this process has seen, after another file replaced this one. */
  raiseVersions(seen: number): void {
    this.transact('write', () => {
      this.#sql.raiseVersions.run(seen);
      this.#sql.raiseDeletedVersion.run(seen);
    });
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  read(key: string, run: string, after: number, limit: ReadLimit, now: number): string[] {
    const found = this.#sql.runOf.get(run, key, now) as unknown as { id: number } | undefined;
    const events: string[] = [];
    if (found === undefined) return events;
    const { id } = found;
    let bytes = 0;
    for (const row of this.#sql.batches.iterate(id, id, after + 1, id, id)) {
      const { first, data } = row as unknown as { first: number; data: string };
      const batch = data.split(SEPARATOR);
      for (let index = Math.max(0, after + 1 - first); index < batch.length; index += 1) {
        if (events.length >= limit.events || bytes >= limit.bytes) return events;
        events.push(batch[index]!);
        bytes += batch[index]!.length;
      }
    }
    return events;
  }

  versions(keys: readonly string[]): ReadonlyArray<TimedVersion | undefined> {
    const versions: Array<TimedVersion | undefined> = keys.map(() => undefined);
    for (const row of this.#sql.versions.all(JSON.stringify(keys))) {
      const { place, version, kept_until } = row as unknown as VersionRow;
      versions[place] = { version, keptUntil: kept_until };
    }
    return versions;
  }

  list(prefix: string, now: number): string[] {
    const keys: string[] = [];
    // The keys are in the order of their bytes, so those with the prefix are neighbours.
    for (const row of this.#sql.keys.iterate(prefix, now)) {
      const key = String(row['key']);
      if (!key.startsWith(prefix)) break;
      keys.push(key);
    }
    return keys;
  }

  // Deleting ----------------------------------------------------------------------------------------------------------

  /**
   * Deletes some expired records, or some batches of dropped runs.
   *
   * @returns whether more may be deleted at once.
   */
  deleteSome(now: number): boolean {
    const dropped = this.#sql.dropped.get() as unknown as { id: number } | undefined;
    if (dropped !== undefined) {
      this.transact('write', () => this.#deleteBatches(dropped.id));
      return true;
    }
    const expired = this.#findExpired(now);
    // The transaction compares the versions: the records may have been changed since.
    if (expired.length > 0)
      this.transact('write', () => {
        for (const { id, version } of expired) this.#delete(id, version);
      });
    return expired.length > 0;
  }

  #deleteBatches(run: number): void {
    const { changes } = this.#sql.deleteBatches.run(run, run, STEP_BATCHES);
    if (Number(changes) < STEP_BATCHES) this.#sql.deleteDropped.run(run);
  }

  /** Looks at some records, each time at the next ones. */
  #findExpired(now: number): ReadonlyArray<{ id: number; version: number }> {
    const from = this.#lookedThrough;
    const { id: through } = this.#sql.lastOf.get(from, STEP_LOOKED) as unknown as { id: number | null };
    this.#lookedThrough = through ?? 0;
    if (through === null) return [];
    const expired = this.#sql.expired.all(from, through, now, STEP_RECORDS) as unknown as Array<{
      id: number;
      version: number;
    }>;
    if (expired.length === STEP_RECORDS) this.#lookedThrough = expired.at(-1)!.id;
    return expired;
  }

  /** Deletes a record. Its batches are deleted later, in steps. */
  #delete(id: number, version: number): void {
    if (Number(this.#sql.deleteRecord.run(id, version).changes) === 0) return;
    this.#sql.raiseDeletedVersion.run(version);
    this.#sql.dropRuns.run(id);
    this.#sql.deleteState.run(id);
  }
}
