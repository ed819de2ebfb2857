/** A store of runs on a Redis or Valkey server: each call is one script. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import type { ConnectionSource } from '../../database/redis/client.ts';
import { Connection } from '../../database/redis/connection.ts';
import { readSettings, type ServerSettings } from '../../database/redis/dangers.ts';
import { toRedisError } from '../../database/redis/errors.ts';
import type { Scripts } from '../../database/redis/scripts.ts';
import type { DatabaseUse } from '../../database/use.ts';
import type { ReadLimit, RecordChange, RunStore, StoredRecord } from '../run-store.ts';
import { StoreCalls } from '../store-calls.ts';
import { Hints } from './hints.ts';
import { allRunKeys, type RunKeys, type RunScript } from './run-scripts.ts';

export interface RedisRunStoreOptions {
  readonly name: string;
  readonly use: DatabaseUse;
  readonly keys: RunKeys;
  readonly source: ConnectionSource;
  readonly scripts: Scripts<RunScript>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Identifies this handle in hints. */
  readonly handle: string;
}

/** Longest time to connect, in milliseconds, also if a call is shorter: Sentinel can take seconds. */
const CONNECT_MS = 5_000;

export class RedisRunStore implements RunStore {
  readonly #options: RedisRunStoreOptions;
  readonly #calls: StoreCalls;
  readonly #connection: Connection;
  readonly #hints: Hints;
  #settings: ServerSettings | undefined;

  constructor(options: RedisRunStoreOptions) {
    this.#options = options;
    const { name, use, source, clock, timeoutMs, handle, keys } = options;
    const connectMs = Math.max(CONNECT_MS, timeoutMs);
    const toError = (error: unknown): unknown => toRedisError(error, { name, doing: 'used', use });
    this.#calls = new StoreCalls({ name, clock, timeoutMs, toError });
    this.#connection = new Connection(source, clock, connectMs);
    this.#hints = new Hints({
      ...{ name, clock, timeoutMs, handle, key: keys.hints },
      connection: new Connection(source, clock, connectMs),
    });
  }

  /** Looks at the server and the keys. Returns the dangerous settings, one sentence each. */
  async open(): Promise<readonly string[]> {
    const { name, use, keys, source } = this.#options;
    // The first call, because a server that is too old would refuse a script with a puzzling error.
    const settings = await this.#calls.run((signal) =>
      readSettings(this.#connection, { name, key: keys.store, use, signal }),
    );
    await this.#run('open', []);
    this.#settings = settings;
    return source.danger === undefined ? settings.dangers : [...settings.dangers, source.danger];
  }

  async load(key: string): Promise<StoredRecord | undefined> {
    const found = (await this.#run('load', [key])) as readonly string[] | null;
    if (found === null) return undefined;
    const [version, state, count, leaseLeftMs, now] = found as [string, string, string, string, string];
    return {
      version: Number(version),
      state,
      count: Number(count),
      leaseLeftMs: Number(leaseLeftMs),
      now: Number(now),
    };
  }

  async commit(key: string, change: RecordChange): Promise<number | undefined> {
    const { expected, state, count, leaseMs, keepMs, append, drop = [] } = change;
    const events = append?.events ?? [];
    this.#refuseLarge(key, state === undefined ? events : [state, ...events]);
    this.#hints.onCommit(key);
    const version = await this.#run('commit', [
      key,
      expected === undefined ? '' : String(expected),
      String(count),
      String(Math.ceil(leaseMs)),
      String(Math.max(1, Math.ceil(keepMs))),
      this.#options.handle,
      state === undefined ? '' : 's',
      state ?? '',
      append?.run ?? '',
      String(drop.length),
      ...drop,
      ...events,
    ]);
    if (version === null) return undefined;
    this.#hints.onCommitted(key);
    return Number(version);
  }

  async read(key: string, run: string, after: number, limit: ReadLimit): Promise<readonly string[]> {
    const values = [key, run, String(after), String(limit.events), String(limit.bytes)];
    return (await this.#run('read', values)) as string[];
  }

  async versions(keys: readonly string[]): Promise<ReadonlyArray<number | undefined>> {
    if (keys.length === 0) return [];
    const versions = (await this.#run('versions', keys)) as ReadonlyArray<string | null>;
    return versions.map((version) => (version === null ? undefined : Number(version)));
  }

  async list(prefix: string): Promise<readonly string[]> {
    const keys: string[] = [];
    for (let last: string | undefined = ''; last !== undefined;) {
      const [next, ...found] = (await this.#run('list', [prefix, last])) as [string, ...string[]];
      keys.push(...found);
      last = next === '' ? undefined : next;
    }
    return keys;
  }

  watch(listener: (key: string) => void): () => void {
    return this.#hints.watch(listener);
  }

  async close(): Promise<void> {
    this.#hints.close();
    await this.#calls.close();
    this.#connection.drop();
  }

  #run(script: RunScript, values: readonly string[]): Promise<unknown> {
    const { scripts, keys } = this.#options;
    return this.#calls.run((signal) =>
      scripts.run(this.#connection, script, { keys: allRunKeys(keys), values, signal }),
    );
  }

  /** The server would end the connection, and with it the calls of others. */
  #refuseLarge(key: string, texts: readonly string[]): void {
    const { maxValueBytes = Infinity } = this.#settings ?? {};
    const tooLarge = texts.find(
      (text) => text.length * 3 > maxValueBytes && new TextEncoder().encode(text).length > maxValueBytes,
    );
    if (tooLarge === undefined) return;
    throw new LinefeedError(
      'payload_too_large',
      `A text of ${tooLarge.length} characters at ${key} is larger than the ${maxValueBytes} bytes that the server of ${this.#options.name} takes; record less at once, or raise its \`proto-max-bulk-len\`.`,
      { status: 413, address: key },
    );
  }
}
