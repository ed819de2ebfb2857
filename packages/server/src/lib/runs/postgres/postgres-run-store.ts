/** A store of runs in PostgreSQL: each call is one statement. */
import { invalidOption } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { ignore } from '../../base/promise.ts';
import { texts } from '../../database/postgres/arrays.ts';
import type { Driver, Row, Values } from '../../database/postgres/driver.ts';
import { toPostgresError } from '../../database/postgres/errors.ts';
import type { DatabaseUse } from '../../database/use.ts';
import type { ReadLimit, RecordChange, RunStore, StoredRecord } from '../run-store.ts';
import { StoreCalls } from '../store-calls.ts';
import { NOW_MS } from './run-functions.ts';
import type { RunNames } from './run-tables.ts';

export interface PostgresRunStoreOptions {
  readonly name: string;
  readonly use: DatabaseUse;
  readonly driver: Driver;
  readonly names: RunNames;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Interval at which commits delete what is past its time, in milliseconds. While more is left, each commit does. */
const SWEEP_MS = 1_000;

export class PostgresRunStore implements RunStore {
  readonly #options: PostgresRunStoreOptions;
  readonly #calls: StoreCalls;
  #sweepAt = 0;
  #isSweeping = false;

  constructor(options: PostgresRunStoreOptions) {
    this.#options = options;
    const { name, clock, timeoutMs } = options;
    const toError = (error: unknown): unknown => toPostgresError(error, options);
    this.#calls = new StoreCalls({ name, clock, timeoutMs, toError });
  }

  async load(key: string): Promise<StoredRecord | undefined> {
    const [row] = await this.#query(
      `SELECT r.version::text AS version, r.state, r.count::text AS count, (r.lease_end - c.now)::text AS left,
        c.now::text AS now
      FROM ${this.#options.names.record} r, (SELECT ${NOW_MS} AS now) c WHERE r.key = $1::text AND r.expires > c.now`,
      [toText(key)],
    );
    if (row === undefined) return undefined;
    return {
      version: Number(row['version']),
      state: row['state']!,
      count: Number(row['count']),
      leaseLeftMs: Number(row['left']),
      now: Number(row['now']),
    };
  }

  async commit(key: string, change: RecordChange): Promise<number | undefined> {
    const { expected, state, count, leaseMs, keepMs, append, drop } = change;
    const [row] = await this.#query(
      `SELECT ${this.#options.names.commit}($1::text, ($2::text)::bigint, $3::text, ($4::text)::bigint,
        ($5::text)::bigint, ($6::text)::bigint, ($7::text)::text[], $8::text, ($9::text)::bigint,
        ($10::text)::text[])::text AS version`,
      [
        toText(key),
        expected === undefined ? null : String(expected),
        state === undefined ? null : toText(state),
        String(count),
        String(Math.ceil(leaseMs)),
        String(Math.ceil(keepMs)),
        drop === undefined ? null : texts(drop),
        append === undefined ? null : append.run,
        append === undefined ? null : String(append.after),
        append === undefined ? null : texts(append.events.map(toText)),
      ],
    );
    const version = row!['version'];
    this.#sweep();
    return version === null || version === undefined ? undefined : Number(version);
  }

  async read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    const rows = await this.#query(
      `SELECT data FROM ${this.#options.names.read}($1::text, $2::text, ($3::text)::bigint, ($4::text)::bigint,
        ($5::text)::bigint) AS e(data)`,
      [toText(key), toText(run), String(after), String(limit.events), String(limit.bytes)],
    );
    return rows.map((row) => row['data']!);
  }

  async versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    if (keys.length === 0) return [];
    const rows = await this.#query(
      `SELECT (SELECT r.version FROM ${this.#options.names.record} r WHERE r.key = k.key AND r.expires > c.now)::text
        AS version
      FROM unnest(($1::text)::text[]) WITH ORDINALITY AS k(key, n), (SELECT ${NOW_MS} AS now) c ORDER BY k.n`,
      [texts(keys.map(toText))],
    );
    return rows.map(({ version }) => (version === null ? undefined : Number(version)));
  }

  async list(prefix: string): Promise<readonly string[]> {
    const start = `left($1::text, 64)`;
    const rows = await this.#query(
      `SELECT r.key FROM ${this.#options.names.record} r
      WHERE left(r.key, 64) COLLATE "C" BETWEEN ${start} AND ${start} || repeat(chr(1114111), 64)
        AND starts_with(r.key, $1::text) AND r.expires > ${NOW_MS}`,
      [toText(prefix)],
    );
    return rows.map(({ key }) => key!);
  }

  async close(): Promise<void> {
    await this.#calls.close();
    this.#options.driver.close();
  }

  #query(text: string, values: Values): Promise<readonly Row[]> {
    return this.#calls.run((signal) => {
      const query = this.#options.driver.query(text, values, signal);
      // If the signal aborts, its rejection is not awaited.
      query.catch(ignore);
      return query;
    });
  }

  /** Deletes some of what is past its time. It does not make the commit wait. */
  #sweep(): void {
    const { clock, names } = this.#options;
    if (this.#isSweeping || clock.now() < this.#sweepAt) return;
    this.#isSweeping = true;
    this.#sweepAt = clock.now() + SWEEP_MS;
    this.#query(`SELECT ${names.sweep}()::text AS more`, [])
      .then(([row]) => {
        if (row!['more'] === 'true') this.#sweepAt = 0;
      }, ignore)
      .finally(() => {
        this.#isSweeping = false;
      });
  }
}

/** PostgreSQL stores every character but this one. JSON escapes it. */
function toText(text: string): string {
  if (!text.includes('\0')) return text;
  throw invalidOption('PostgreSQL cannot store the character U+0000 in a key of a record; leave it out.');
}
