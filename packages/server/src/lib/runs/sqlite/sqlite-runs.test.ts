import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { copyFiles, replaceFiles } from '../../../../test-kit/sqlite-bench.ts';
import { systemClock } from '../../base/clock.ts';
import { sqliteLog } from '../../log/sqlite/sqlite-log.ts';
import { changeOf, eventsOf } from '../../testing/run-store-bench.ts';
import type { RecordChange, RunStore } from '../run-store.ts';
import type { SqliteRunsOptions } from './options.ts';
import { sqliteRuns } from './sqlite-runs.ts';
import { RunTables } from './tables.ts';
import { VersionCache } from './version-cache.ts';

let directory: string;
let path: string;
let clock: ManualClock;
let stores: RunStore[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linefeed-runs-'));
  path = join(directory, 'runs.db');
  clock = createManualClock();
  stores = [];
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const store of stores) await store.close();
  expect(clock.pending).toBe(0);
  rmSync(directory, { recursive: true });
});

function open(options: Partial<SqliteRunsOptions> = {}): RunStore {
  const store = sqliteRuns({ path, clock, ...options });
  stores.push(store);
  return store;
}

async function commit(
  store: RunStore,
  key: string,
  change: Partial<RecordChange> = {},
): Promise<number | undefined> {
  const committing = store.commit(key, changeOf(change));
  committing.catch(() => undefined);
  await clock.settle();
  return await committing;
}

/** Works on the file as another application does. */
function query(sql: string): Record<string, unknown> {
  const db = new DatabaseSync(path);
  try {
    return db.prepare(sql).get() ?? {};
  } finally {
    db.close();
  }
}

function failure(...parts: string[]): Error {
  return expect.objectContaining({
    code: 'runs_failed',
    message: expect.stringMatching(new RegExp(parts.join('.*'), 's')) as string,
  }) as Error;
}

/** The statements that run, as the first word of each. */
function statements(): string[] {
  const words: string[] = [];
  for (const method of ['run', 'get', 'all'] as const) {
    const original = StatementSync.prototype[method] as (...args: unknown[]) => unknown;
    vi.spyOn(StatementSync.prototype, method).mockImplementation(function (
      this: StatementSync,
      ...args: unknown[]
    ) {
      const [word = ''] = this.sourceSQL.trim().split(/\s/);
      words.push(this.sourceSQL.includes('RETURNING') ? `${word} RETURNING` : word);
      return Reflect.apply(original, this, args) as never;
    });
  }
  return words;
}

describe('opening a file of runs', () => {
  test('sqliteRuns refuses a missing directory and names it', () => {
    const missing = join(directory, 'nowhere/runs.db');
    expect(() => open({ path: missing })).toThrow(
      failure('directory', 'nowhere', 'store of runs', 'create it'),
    );
    expect(existsSync(join(directory, 'nowhere'))).toBe(false);
  });

  test('sqliteRuns refuses a directory that is not writable', () => {
    expect(() => open({ path: '/proc/self/runs.db' })).toThrow(failure('/proc/self/runs.db', 'writable'));
  });

  test('sqliteRuns refuses a directory in place of the file', () => {
    mkdirSync(path);
    expect(() => open()).toThrow(failure('The store of runs', 'runs.db', 'cannot be'));
  });

  test.each(['', ':memory:', 'file:runs.db', undefined as unknown as string])(
    'sqliteRuns refuses the path %j',
    (wrong) => {
      expect(() => open({ path: wrong })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    },
  );

  test('sqliteRuns refuses invalid and unknown options', () => {
    const refused = expect.objectContaining({ code: 'invalid_option' }) as Error;
    expect(() => open({ synchronous: 'off' as 'full' })).toThrow(refused);
    expect(() => open({ pollMs: 5 } as object)).toThrow(refused);
    expect(existsSync(path)).toBe(false);
  });

  test('sqliteRuns does not change a file that is not a SQLite file', () => {
    writeFileSync(path, '# Shopping list\n- bread\n');
    expect(() => open()).toThrow(failure('runs.db is not a SQLite file', 'Shopping', 'Nothing was changed'));
    expect(readFileSync(path, 'utf8')).toBe('# Shopping list\n- bread\n');
  });

  test('sqliteRuns does not change the file of a sqliteLog, nor sqliteLog that of runs', async () => {
    const log = sqliteLog({ path, clock });
    await log.close?.();
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('another program', 'give the store of runs a path of its own'));
    expect(readFileSync(path).equals(before)).toBe(true);
    const other = join(directory, 'other.db');
    await open({ path: other }).close();
    expect(() => sqliteLog({ path: other, clock })).toThrow(expect.objectContaining({ code: 'log_failed' }));
  });

  test('sqliteRuns does not change a file of a later format', async () => {
    await open().close();
    query('PRAGMA user_version = 9');
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('store of runs of format 9', 'reads format 1'));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test.each(['DROP TABLE run', 'DROP TABLE meta', 'ALTER TABLE batch DROP COLUMN data'])(
    'a file of runs without a part of its schema is reported as damaged: %s',
    async (statement) => {
      await open().close();
      query(statement);
      expect(() => open()).toThrow(failure('runs.db is damaged', 'no (such|column)', 'move it'));
    },
  );

  test('a closed store of runs leaves only the database file', async () => {
    const store = open();
    await commit(store, 'k');
    await store.close();
    expect([existsSync(path), existsSync(`${path}-wal`), existsSync(`${path}-shm`)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('commits to a file of runs', () => {
  test('all commits of a tick are written in one transaction', async () => {
    const store = open();
    const words = statements();
    const commits = [];
    for (let n = 0; n < 50; n += 1) {
      commits.push(store.commit(`key ${n}`, changeOf({})));
      // Callers of one tick are called one after another.
      await Promise.resolve();
    }
    await clock.settle();
    await Promise.all(commits);
    expect(words.filter((word) => word === 'BEGIN' || word === 'COMMIT')).toEqual(['BEGIN', 'COMMIT']);
  });

  test('an append by the process of the last commit is one UPDATE and one INSERT, whatever the number of events', async () => {
    const store = open();
    let expected = await commit(store, 'k', { append: { run: 'r', after: 0, events: ['1'] } });
    const words = statements();
    for (const after of [1, 101])
      expected = await commit(store, 'k', { expected, append: { run: 'r', after, events: eventsOf(100) } });
    const words2 = ['BEGIN', 'UPDATE', 'INSERT', 'COMMIT'];
    expect(words).toEqual([...words2, ...words2]);
  });

  test('a heartbeat writes one row', async () => {
    const store = open();
    const expected = await commit(store, 'k', {});
    const words = statements();
    await commit(store, 'k', { expected });
    expect(words).toEqual(['BEGIN', 'UPDATE', 'COMMIT']);
  });

  test('commits wait for the lock of another process without blocking the event loop', async () => {
    const store = open();
    const holder = new DatabaseSync(path);
    holder.exec('BEGIN IMMEDIATE');
    const started = systemClock.now();
    const commits = Promise.all(Array.from({ length: 5 }, (_, n) => store.commit(`key ${n}`, changeOf({}))));
    await clock.advance(1_000);
    expect(systemClock.now() - started).toBeLessThan(1_000);
    expect(await store.list('')).toEqual([]);
    holder.exec('COMMIT');
    await clock.advance(20);
    expect((await commits).every((version) => version !== undefined)).toBe(true);
    holder.close();
  });

  test('a commit that waits 5 s for a lock rejects with a retryable error, and later commits succeed', async () => {
    const store = open();
    const holder = new DatabaseSync(path);
    holder.exec('BEGIN IMMEDIATE');
    const refused = expect(store.commit('k', changeOf({}))).rejects.toMatchObject({
      code: 'runs_failed',
      retryable: true,
      message: expect.stringContaining('another process holds it') as string,
    });
    await clock.advance(5_100);
    await refused;
    holder.exec('COMMIT');
    holder.close();
    expect(await commit(store, 'k')).toBeDefined();
  });

  test('at most 10,000 events wait to be written to a file of runs', async () => {
    const store = open();
    const append = { run: 'r', after: 0, events: eventsOf(9_000) };
    const commits = [store.commit('a', changeOf({ append })), store.commit('b', changeOf({}))];
    const tooMany = store.commit('c', changeOf({ append: { ...append, events: eventsOf(998) } }));
    await expect(tooMany).rejects.toMatchObject({ code: 'runs_failed', retryable: true });
    await clock.settle();
    expect((await Promise.all(commits)).every((version) => version !== undefined)).toBe(true);
  });

  test('at most 64 MiB of events wait to be written to a file of runs', async () => {
    const store = open();
    const large = '"'.padEnd(40 * 1024 * 1024, 'x');
    const events = [large];
    const commits = [store.commit('a', changeOf({ append: { run: 'r', after: 0, events } }))];
    const tooMuch = store.commit('b', changeOf({ state: large }));
    await expect(tooMuch).rejects.toEqual(failure('67108864 bytes'));
    await clock.settle();
    expect((await Promise.all(commits))[0]).toBeDefined();
  });

  test('more commits than one transaction takes are written in several', async () => {
    const store = open();
    const words = statements();
    const commits = Array.from({ length: 1_200 }, (_, n) => store.commit(`key ${n}`, changeOf({})));
    await clock.settle();
    await Promise.all(commits);
    expect(words.filter((word) => word === 'BEGIN')).toHaveLength(3);
    expect(await store.list('key ')).toHaveLength(1_200);
  });

  test('the commit of a record that is no longer remembered finds its run', async () => {
    const store = open();
    const expected = await commit(store, 'k', { append: { run: 'r', after: 0, events: ['1'] } });
    for (let n = 0; n < 21; n += 1) {
      for (let m = 0; m < 500; m += 1) void store.commit(`key ${n} ${m}`, changeOf({}));
      await clock.settle();
    }
    const words = statements();
    await commit(store, 'k', { expected: expected!, append: { run: 'r', after: 1, events: ['2'] } });
    expect(words).toEqual(['BEGIN', 'UPDATE RETURNING', 'INSERT', 'COMMIT']);
    expect(await store.read('k', 'r', 0, { events: 9, bytes: 99 })).toEqual(['1', '2']);
  });

  test('a failed transaction rejects its commits and changes nothing', async () => {
    const store = open();
    const expected = (await commit(store, 'k', { append: { run: 'r', after: 0, events: ['1'] } }))!;
    query(`CREATE TRIGGER fail BEFORE INSERT ON batch BEGIN SELECT raise(ABORT, 'no'); END`);
    const append = { run: 'r', after: 1, events: ['2'] };
    const commits = [store.commit('k', changeOf({ expected, append })), store.commit('other', changeOf({}))];
    const settled = Promise.allSettled(commits);
    await clock.settle();
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'runs_failed' } });
    query('DROP TRIGGER fail');
    expect(await store.list('')).toEqual(['k']);
    // The version is the former one: the same commit can be performed.
    expect(await commit(store, 'k', { expected, append })).toBe(expected + 1);
    expect(await store.read('k', 'r', 0, { events: 9, bytes: 99 })).toEqual(['1', '2']);
  });

  test('events are never appended to a run that a failed transaction had added', async () => {
    const [store, other] = [open(), open()];
    const expected = (await commit(store, 'k'))!;
    query(`CREATE TRIGGER fail BEFORE INSERT ON batch BEGIN SELECT raise(ABORT, 'no'); END`);
    const append = { run: 'failed', after: 0, events: ['1'] };
    await expect(commit(store, 'k', { expected, append })).rejects.toEqual(failure('no'));
    query('DROP TRIGGER fail');
    // The other process gets the same version, and adds a run with the same row id.
    const version = await commit(other, 'k', { expected, append: { run: 'other', after: 0, events: ['2'] } });
    await commit(store, 'k', { expected: version!, append });
    const limit = { events: 9, bytes: 99 };
    expect([await store.read('k', 'other', 0, limit), await store.read('k', 'failed', 0, limit)]).toEqual([
      ['2'],
      ['1'],
    ]);
  });

  test('a new record without a state is refused alone', async () => {
    const store = open();
    const wrong = store.commit('wrong', changeOf({ state: undefined }));
    const right = store.commit('right', changeOf({}));
    await clock.settle();
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_option' });
    expect(await right).toBeDefined();
  });
});

describe('the versions of records in a file', () => {
  test('versions of unchanged records are not read again, and a commit of another process is seen at once', async () => {
    const [store, other] = [open(), open()];
    const keys = ['a', 'b', 'missing'];
    const [a, b] = [await commit(store, 'a'), await commit(store, 'b')];
    expect(await store.versions(keys)).toEqual([a, b, undefined]);
    const words = statements();
    expect(await store.versions(keys)).toEqual([a, b, undefined]);
    expect(words).toEqual(['PRAGMA']);
    const next = await commit(other, 'b', { expected: b! });
    const made = await commit(other, 'missing');
    expect(await store.versions(keys)).toEqual([a, next, made]);
    const own = await commit(store, 'a', { expected: a! });
    words.length = 0;
    expect(await store.versions(keys)).toEqual([own, next, made]);
    expect(words).toEqual(['PRAGMA']);
  });

  test('a version that is known ends with its record', async () => {
    const store = open();
    const version = await commit(store, 'k', { keepMs: 1_000 });
    expect(await store.versions(['k'])).toEqual([version]);
    await clock.advance(1_000);
    expect(await store.versions(['k'])).toEqual([undefined]);
  });
});

test('more versions than a cache holds are read again', () => {
  const cache = new VersionCache();
  const set = (count: number) => {
    for (let n = 0; n < count; n += 1) cache.set(`${n}`, { version: n, keptUntil: 1 });
  };
  cache.update(1);
  set(50_000);
  cache.update(1);
  expect(cache.missing(['0', '49999'])).toEqual([]);
  set(50_001);
  cache.update(1);
  expect(cache.missing(['0', '49999'])).toEqual(['0', '49999']);
});

test.each([
  ['before its rows are deleted', 5],
  ['after its rows are deleted', 5_000],
])(
  'a version never repeats after more commits than milliseconds: the record is made again %s',
  async (_, ms) => {
    const store = open();
    const seen = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      let expected: number | undefined;
      for (let n = 0; n < 100; n += 1) {
        expected = (await commit(store, 'k', { expected, keepMs: 5 }))!;
        expect(seen).not.toContain(expected);
        seen.add(expected);
      }
      await clock.advance(ms);
    }
  },
);

describe('the deletion of expired records', () => {
  const rows = () =>
    query(`SELECT (SELECT count(*) FROM record) AS records, (SELECT count(*) FROM state) AS states,
      (SELECT count(*) FROM run) AS runs, (SELECT count(*) FROM batch) AS batches`);

  test('expired records, dropped runs and their events leave the file in small steps', async () => {
    const store = open();
    const events = eventsOf(3);
    for (let n = 0; n < 250; n += 1)
      void store.commit(`key ${n}`, changeOf({ keepMs: 1_000, append: { run: 'r', after: 0, events } }));
    await clock.settle();
    let expected = await commit(store, 'kept', { append: { run: 'dropped', after: 0, events } });
    for (let n = 1; n <= 350; n += 1)
      expected = await commit(store, 'kept', { expected, append: { run: 'dropped', after: 3 * n, events } });
    await commit(store, 'kept', { expected, drop: ['dropped'], append: { run: 'new', after: 0, events } });
    expect(rows()).toEqual({ records: 251, states: 251, runs: 252, batches: 602 });
    const largest: number[] = [];
    for (let before = rows(); largest.length < 2_000; before = rows()) {
      await clock.advance(20);
      const now = rows();
      largest.push(
        Math.max(
          Number(before['records']) - Number(now['records']),
          Number(before['batches']) - Number(now['batches']),
        ),
      );
      if (now['batches'] === 1) break;
    }
    expect(Math.max(...largest)).toBeLessThanOrEqual(100);
    await clock.advance(2_000);
    expect(rows()).toEqual({ records: 1, states: 1, runs: 1, batches: 1 });
    expect(await store.read('kept', 'new', 0, { events: 9, bytes: 999 })).toEqual(events);
  });

  test('a record that another process has made again just before its deletion is kept', async () => {
    const store = open();
    await commit(store, 'k', { keepMs: 500 });
    const { transact } = RunTables.prototype;
    vi.spyOn(RunTables.prototype, 'transact').mockImplementation(function (this: RunTables, kind, work) {
      vi.restoreAllMocks();
      query('UPDATE record SET version = version + 1, kept_until = kept_until + 60000');
      return transact.call(this, kind, work) as never;
    });
    await clock.advance(1_100);
    expect(vi.isMockFunction(RunTables.prototype.transact)).toBe(false);
    expect(await store.load('k')).toMatchObject({ state: '{}' });
  });

  test('a file in which records come and go does not grow', async () => {
    const store = open();
    const pages = async (): Promise<number> => {
      for (let round = 0; round < 4; round += 1) {
        for (let n = 0; n < 40; n += 1)
          void store.commit(
            `${n}`,
            changeOf({ keepMs: 500, append: { run: 'r', after: 0, events: eventsOf(50) } }),
          );
        await clock.advance(4_000);
      }
      return Number(query('PRAGMA page_count')['page_count']);
    };
    const first = await pages();
    expect(await pages()).toBe(first);
  });
});

describe('a file of runs that changes while it is open', () => {
  test('a removed file fails commits, and works again when it is put back', async () => {
    const store = open();
    await commit(store, 'k');
    const away = join(directory, 'away.db');
    renameSync(path, away);
    await clock.advance(2_000);
    await expect(commit(store, 'other')).rejects.toEqual(failure('store of runs', 'is gone; put it back'));
    renameSync(away, path);
    await clock.advance(1_000);
    expect(await commit(store, 'other')).toBeDefined();
    expect((await store.list('')).toSorted()).toEqual(['k', 'other']);
  });

  test('a version of a file that an older copy has replaced is refused, also if the copy has reached it', async () => {
    const copy = join(directory, 'copy.db');
    const [store, other] = [open(), open()];
    let expected = (await commit(store, 'k', { state: '"both"' }))!;
    copyFiles(path, copy);
    for (let n = 0; n < 3; n += 1) expected = (await commit(store, 'k', { expected, state: '"lost"' }))!;
    replaceFiles(path, copy);
    await clock.advance(2_000);
    let version = (await other.load('k'))!.version;
    for (let n = 0; n < 3; n += 1)
      version = (await commit(other, 'k', { expected: version, state: '"new"' }))!;
    expect(await commit(store, 'k', { expected, state: '"stale"' })).toBeUndefined();
    expect(await store.load('k')).toMatchObject({ state: '"new"' });
  });
});
