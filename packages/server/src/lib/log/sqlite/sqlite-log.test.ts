import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { systemClock } from '../../base/clock.ts';
import type { Log, LogEntry, LogEvent, ReadPage } from '../log.ts';
import { createManualClock, type ManualClock } from '../../testing/manual-clock.ts';
import { SqliteStore } from './store.ts';
import type { SqliteLogOptions } from './options.ts';
import { sqliteLog } from './sqlite-log.ts';

let directory: string;
let path: string;
let clock: ManualClock;
let logs: Log[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
  path = join(directory, 'events.db');
  clock = createManualClock();
  logs = [];
});

afterEach(async () => {
  for (const log of logs) await log.close?.();
  rmSync(directory, { recursive: true });
});

function open(options: Partial<SqliteLogOptions> = {}): Log {
  const log = sqliteLog({ path, clock, ...options });
  logs.push(log);
  return log;
}

function entry(address: string, value: unknown, keep: 'all' | 'latest' = 'all'): LogEntry {
  return { address, data: JSON.stringify(value), keep };
}

function read(log: Log, addresses: string[], after: Position = BEGINNING, limit = 10_000): ReadPage {
  const floors = new Map(addresses.map((address) => [address, BEGINNING]));
  return log.read({ after, addresses: floors, limit, maxBytes: Infinity }) as ReadPage;
}

const values = (events: readonly LogEvent[]) => events.map(({ data }) => JSON.parse(data) as unknown);

function follow(log: Log) {
  const told = { events: [] as LogEvent[], resets: [] as string[], errors: [] as unknown[] };
  const tail = log.tail({
    onEvents: (events) => told.events.push(...events),
    onReset: (reason) => told.resets.push(reason),
    onError: (error) => told.errors.push(error),
  });
  return { ...told, close: tail.close };
}

/** Copies all files that SQLite keeps of a log. */
function copyFiles(from: string, to: string): void {
  for (const suffix of ['', '-wal', '-shm'])
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
}

function removeFiles(name: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(name + suffix, { force: true });
}

const failure = (...parts: string[]) =>
  expect.objectContaining({
    code: 'log_failed',
    message: expect.stringMatching(new RegExp(parts.join('.*'), 's')) as string,
  }) as Error;

describe('opening a log', () => {
  test('sqliteLog refuses a missing directory and names it', () => {
    const missing = join(directory, 'nowhere', 'events.db');
    expect(() => open({ path: missing })).toThrow(
      failure('directory', 'nowhere', 'does not exist; create it'),
    );
    expect(existsSync(join(directory, 'nowhere'))).toBe(false);
  });

  test('sqliteLog refuses a directory that is not writable and names the path', () => {
    expect(() => open({ path: '/proc/self/linefeed.db' })).toThrow(
      failure('/proc/self/linefeed.db', 'writable'),
    );
  });

  test('sqliteLog refuses a directory in place of the file and names it', () => {
    mkdirSync(path);
    expect(() => open()).toThrow(failure('events.db', 'cannot be'));
  });

  test.each(['', ':memory:', 'file:events.db'])('sqliteLog refuses the path %j', (wrong) => {
    expect(() => open({ path: wrong })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  });

  test('sqliteLog refuses invalid options', () => {
    const refused = expect.objectContaining({ code: 'invalid_option' }) as Error;
    expect(() => open({ pollMs: 0 })).toThrow(refused);
    expect(() => open({ maxEvents: 0 })).toThrow(refused);
    expect(() => open({ synchronous: 'off' as 'full' })).toThrow(refused);
    expect(existsSync(path)).toBe(false);
  });

  test('sqliteLog does not change a file that is not a SQLite file', () => {
    const text = '# Shopping list\n- bread\n';
    writeFileSync(path, text);
    expect(() => open()).toThrow(
      failure('events.db is not a SQLite file', 'Shopping', 'Nothing was changed'),
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test('sqliteLog does not change a SQLite file of another application', () => {
    const foreign = new DatabaseSync(path);
    foreign.exec('CREATE TABLE customers (name TEXT); PRAGMA application_id = 77');
    foreign.close();
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('SQLite file of something else', 'application id 77, 1 tables'));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('sqliteLog refuses a SQLite file with tables but without an application id', () => {
    const foreign = new DatabaseSync(path);
    foreign.exec('CREATE TABLE customers (name TEXT)');
    foreign.close();
    expect(() => open()).toThrow(failure('something else'));
  });

  test('sqliteLog refuses a SQLite file with another user_version, even without tables', () => {
    const foreign = new DatabaseSync(path);
    foreign.exec('PRAGMA user_version = 7');
    foreign.close();
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('something else', 'version 7'));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test.each(['DROP TABLE latest', 'DROP TABLE meta', 'ALTER TABLE event DROP COLUMN prev'])(
    'a log file without a part of its schema is reported as damaged, unchanged and closed: %s',
    async (statement) => {
      await open().close?.();
      const db = new DatabaseSync(path);
      db.exec(statement);
      db.close();
      const before = readFileSync(path);
      const close = vi.spyOn(DatabaseSync.prototype, 'close');
      expect(() => open()).toThrow(failure('events.db is damaged', 'no (such|column)', 'move it'));
      expect(close).toHaveBeenCalledTimes(1);
      close.mockRestore();
      expect(readFileSync(path).equals(before)).toBe(true);
    },
  );

  test('sqliteLog does not change a log file of a later format', async () => {
    await open().close?.();
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 9');
    db.close();
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('format 9', 'format 1'));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test.each([
    ['cut off', () => truncateSync(path, statSync(path).size / 2)],
    ['overwritten in the middle', () => writeFileSync(path, readFileSync(path).fill(0x5a, 4096, 20_000))],
  ])('a damaged log file is reported and not changed: %s', async (_, damage) => {
    const log = open();
    await log.append(Array.from({ length: 500 }, (_value, n) => entry(`a${n}`, n)));
    await log.close?.();
    damage();
    const before = readFileSync(path);
    expect(() => open()).toThrow(failure('events.db is damaged', 'move it'));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('opening a log waits 5 s for the lock of another process, then throws a retryable error', async () => {
    await open().close?.();
    const holder = new DatabaseSync(path);
    holder.exec('BEGIN IMMEDIATE');
    let waitedMs = 0;
    const wait = vi.spyOn(Atomics, 'wait').mockImplementation((...args) => {
      waitedMs += args[3] ?? Infinity;
      return 'timed-out';
    });
    const close = vi.spyOn(DatabaseSync.prototype, 'close');
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'log_failed',
        retryable: true,
        message: expect.stringContaining('cannot be opened') as string,
      }),
    );
    expect(waitedMs).toBeLessThanOrEqual(5_000);
    expect(close).toHaveBeenCalledTimes(wait.mock.calls.length + 1);
    wait.mockReset().mockImplementationOnce(() => {
      holder.exec('COMMIT');
      return 'timed-out';
    });
    const log = open();
    await log.append([entry('a', 1)]);
    expect(values(read(log, ['a']).events)).toEqual([1]);
    wait.mockRestore();
    close.mockRestore();
    holder.close();
  });

  test('sqliteLog turns an empty file into a log', async () => {
    writeFileSync(path, '');
    const log = open();
    await log.append([entry('a', 1)]);
    expect(values(read(log, ['a']).events)).toEqual([1]);
  });

  test('a closed log leaves only the database file', async () => {
    const log = open();
    await log.append([entry('a', 1)]);
    await log.close?.();
    expect([existsSync(path), existsSync(`${path}-wal`), existsSync(`${path}-shm`)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a crash of the operating system', () => {
  async function stopUncleanly(synchronous: 'normal' | 'full'): Promise<{ copy: string; epoch: string }> {
    const log = open({ bootId: 'first', synchronous });
    const appending = log.append([entry('a', 1), entry('p', 'value', 'latest'), entry('a', 2)]);
    await clock.settle();
    await appending;
    const copy = join(directory, 'after.db');
    copyFiles(path, copy);
    return { copy, epoch: log.epoch };
  }

  test('a system crash with synchronous: normal starts a new epoch with only the keep: latest values', async () => {
    const { copy, epoch } = await stopUncleanly('normal');
    const log = open({ path: copy, bootId: 'second' });
    expect(log.epoch).not.toBe(epoch);
    const page = read(log, ['a', 'p']);
    expect(values(page.events)).toEqual(['value']);
    expect(page.evictedThrough).toEqual(new Map([['a', log.position()]]));
    const { position } = await log.append([entry('a', 3)]);
    expect(read(log, ['a'], '3').events).toMatchObject([{ data: '3', position, prev: undefined }]);
  });

  test('a system crash with synchronous: full keeps the epoch and the events', async () => {
    const { copy, epoch } = await stopUncleanly('full');
    const log = open({ path: copy, bootId: 'second' });
    expect(log.epoch).toBe(epoch);
    expect(values(read(log, ['a']).events)).toEqual([1, 2]);
  });

  test('a reboot after the log was closed keeps the epoch', async () => {
    const log = open({ bootId: 'first' });
    await log.append([entry('a', 1)]);
    await log.close?.();
    expect(open({ bootId: 'second' }).epoch).toBe(log.epoch);
  });

  test('the end of a process without a reboot keeps the epoch', async () => {
    const { copy, epoch } = await stopUncleanly('normal');
    expect(open({ path: copy, bootId: 'first' }).epoch).toBe(epoch);
  });

  test('a system crash starts a new epoch if one of several processes used synchronous: normal', async () => {
    await open({ bootId: 'first', synchronous: 'full' }).close?.();
    const { copy, epoch } = await stopUncleanly('normal');
    expect(open({ path: copy, bootId: 'second', synchronous: 'full' }).epoch).not.toBe(epoch);
  });

  test('boot times that differ by a few seconds count as the same boot', async () => {
    const log = open({ bootId: 'at 1000' });
    await log.append([entry('a', 1)]);
    const copy = join(directory, 'after.db');
    copyFiles(path, copy);
    expect(open({ path: copy, bootId: 'at 1004' }).epoch).toBe(log.epoch);
    expect(open({ path: copy, bootId: 'at 1600' }).epoch).not.toBe(log.epoch);
  });
});

describe('a log file that changes while it is open', () => {
  test('a removed log file fails appends, is reported once, and works again when it is put back', async () => {
    const log = open();
    const told = follow(log);
    await log.append([entry('a', 1)]);
    const away = join(directory, 'away.db');
    renameSync(path, away);
    await clock.advance(5_000);
    expect(told.errors).toEqual([failure('events.db is gone; put it back')]);
    await expect(log.append([entry('a', 2)])).rejects.toEqual(failure('is gone'));
    renameSync(away, path);
    await clock.advance(5_000);
    await log.append([entry('a', 3)]);
    expect(values(told.events)).toEqual([1, 3]);
    expect([told.resets, told.errors.length]).toEqual([[], 1]);
  });

  test('a log file replaced by another log resets tails to the epoch of that log', async () => {
    const other = open({ path: join(directory, 'other.db') });
    await other.append([entry('a', 'of the other')]);
    await other.close?.();
    const log = open();
    const told = follow(log);
    await log.append([entry('a', 1)]);
    removeFiles(path);
    renameSync(join(directory, 'other.db'), path);
    await clock.advance(2_000);
    expect(told.resets).toEqual(['epoch']);
    expect(log.epoch).toBe(other.epoch);
    expect(values(read(log, ['a']).events)).toEqual(['of the other']);
    await log.append([entry('a', 2)]);
    expect(values(told.events)).toEqual([1, 2]);
  });

  test('a log file replaced by an older copy is a rollback for every process', async () => {
    const copy = join(directory, 'copy.db');
    const first = open();
    const second = open();
    await first.append([entry('a', 1)]);
    copyFiles(path, copy);
    await first.append([entry('a', 2)]);
    const { epoch } = first;
    const told = [follow(first), follow(second)];
    removeFiles(path);
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(copy + suffix)) renameSync(copy + suffix, path + suffix);
    await clock.advance(2_000);
    expect(told.map(({ resets }) => resets)).toEqual([['rollback'], ['rollback']]);
    expect(first.epoch).not.toBe(epoch);
    expect(second.epoch).toBe(first.epoch);
  });
});

test('a log file that is replaced just before its log closes gets a new epoch', async () => {
  const log = open();
  const { epoch } = log;
  await log.append([entry('a', 'both')]);
  const copy = join(directory, 'copy.db');
  copyFiles(path, copy);
  await log.append([entry('a', 'lost')]);
  removeFiles(path);
  for (const suffix of ['', '-wal', '-shm'])
    if (existsSync(copy + suffix)) renameSync(copy + suffix, path + suffix);
  await log.close!();
  expect(open().epoch).not.toBe(epoch);
});

describe('a replaced log file that another process locks', () => {
  /** Follows a log of one event. Then it replaces the file with an older copy that another connection holds. */
  async function replace(log: Log): Promise<DatabaseSync> {
    await log.append([entry('a', 'both')]);
    const copy = join(directory, 'copy.db');
    copyFiles(path, copy);
    await log.append([entry('a', 'lost')]);
    removeFiles(path);
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(copy + suffix)) renameSync(copy + suffix, path + suffix);
    const holder = new DatabaseSync(path);
    holder.exec('BEGIN IMMEDIATE');
    return holder;
  }

  test('a replaced log file is opened when its lock is released, and nothing blocks until then', async () => {
    const log = open();
    const told = follow(log);
    const holder = await replace(log);
    const started = systemClock.now();
    await clock.advance(2_000);
    const append = log.append([entry('a', 'after')]);
    await clock.advance(1_000);
    expect(systemClock.now() - started).toBeLessThan(1_500);
    expect([told.resets, told.errors]).toEqual([[], []]);
    holder.exec('COMMIT');
    holder.close();
    await clock.advance(300);
    await append;
    expect(told.resets).toEqual(['rollback']);
    expect(values(told.events)).toEqual(['both', 'lost', 'after']);
  });

  test('an append to a replaced and locked log file rejects after 5 s with a retryable error', async () => {
    const log = open();
    const holder = await replace(log);
    await clock.advance(1_000);
    const refused = expect(log.append([entry('a', 1)])).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
    });
    await clock.advance(5_100);
    await refused;
    holder.close();
  });

  test.each(['read', 'append', 'position', 'close'] as const)(
    'two histories never share an epoch when a lock delays the new epoch until %s',
    async (operation) => {
      const log = open();
      const told = follow(log);
      const { epoch } = log;
      const holder = await replace(log);
      holder.exec('COMMIT');
      // The file is free when it is opened, and locked when its numbering is compared.
      const real = SqliteStore.prototype.transact;
      const transact = vi.spyOn(SqliteStore.prototype, 'transact').mockImplementation(function (
        this: SqliteStore,
        kind,
        work,
      ) {
        if (kind === 'write') {
          transact.mockRestore();
          holder.exec('BEGIN IMMEDIATE');
        }
        return real.call(this, kind, work) as never;
      });
      await clock.advance(1_000);
      // Another history reaches the position of the old one, and goes past it.
      const insert = `INSERT INTO event (position, address, appended_at, bytes, data) VALUES (?, 1, 0, 1, '"x"')`;
      for (const position of [2, 3]) holder.prepare(insert).run(position);
      holder.exec('UPDATE meta SET sequence = 3');
      await clock.advance(1_000);
      expect([log.epoch, told.resets]).toEqual([epoch, []]);
      const addresses = new Map([['a', BEGINNING]]);
      const done = Promise.resolve(
        {
          read: () => log.read({ after: '1', addresses, limit: 9, maxBytes: 999 }),
          append: () => log.append([entry('a', 'new')]),
          position: () => log.position(),
          close: () => log.close?.(),
        }[operation](),
      );
      await clock.advance(100);
      holder.exec('COMMIT');
      await clock.advance(20);
      await done;
      const now = holder.prepare('SELECT epoch, parent FROM meta').get();
      expect(now).toEqual({ epoch: expect.not.stringContaining(epoch) as string, parent: epoch });
      holder.close();
      if (operation !== 'close') expect([log.epoch, told.resets]).toEqual([now!['epoch'], ['rollback']]);
      if (operation === 'read')
        expect((await done) as ReadPage).toMatchObject({ epoch: log.epoch, events: [] });
    },
  );

  test('a tail that starts while a replaced log file is locked is reset after the lock is released', async () => {
    const log = open();
    const first = follow(log);
    const holder = await replace(log);
    await clock.advance(1_500);
    first.close();
    const told = follow(log);
    holder.exec('COMMIT');
    holder.close();
    await clock.advance(300);
    expect(told.resets).toEqual(['rollback']);
  });
});

describe('following a log', () => {
  test('sqliteLog gives every reader the same object for an event', async () => {
    const log = open();
    const other = open();
    const told = [follow(log), follow(other)];
    await log.append(Array.from({ length: 50 }, (_, n) => entry('a', n)));
    await clock.advance(20);
    for (const [index, reader] of [log, other].entries()) {
      const { events } = read(reader, ['a']);
      expect(events.every((event, n) => event === told[index]!.events[n])).toBe(true);
      expect(events).toHaveLength(50);
    }
  });

  test('two replays of old events from sqliteLog share their objects', async () => {
    await open().append(Array.from({ length: 20 }, (_, n) => entry('a', n)));
    const log = open();
    const once = read(log, ['a']).events;
    expect(read(log, ['a']).events.every((event, n) => event === once[n])).toBe(true);
  });

  test('a tail receives events of another process within pollMs', async () => {
    const told = follow(open({ pollMs: 40 }));
    const writer = open();
    await writer.append([entry('a', 1)]);
    await clock.advance(39);
    expect(told.events).toEqual([]);
    await clock.advance(1);
    expect(values(told.events)).toEqual([1]);
  });

  test('a tail receives events of its own process before their append resolves', async () => {
    const log = open();
    const told = follow(log);
    await log.append([entry('a', 1)]);
    expect(values(told.events)).toEqual([1]);
  });

  test('sqliteLog has no timer without tails or after close', async () => {
    const log = open();
    expect(clock.pendingTimers).toBe(0);
    const first = follow(log);
    const second = follow(log);
    expect(clock.pendingTimers).toBe(1);
    first.close();
    expect(clock.pendingTimers).toBe(1);
    second.close();
    expect(clock.pendingTimers).toBe(0);
    follow(log);
    await log.close?.();
    expect(clock.pendingTimers).toBe(0);
  });

  test('sqliteLog evicts events past maxAgeMs without new appends', async () => {
    const log = open({ maxAgeMs: 60_000 });
    await log.append([entry('a', 1)]);
    follow(log);
    await clock.advance(62_000);
    const db = new DatabaseSync(path);
    expect(db.prepare('SELECT count(*) AS n FROM event').get()).toEqual({ n: 0 });
    db.close();
  });

  test('events past maxAgeMs are still read and followed while SQLite refuses writes', async () => {
    const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
    const log = open({ maxAgeMs: 60_000 });
    const connection = prepare.mock.contexts[0] as DatabaseSync;
    prepare.mockRestore();
    await log.append([entry('a', 1)]);
    const told = follow(log);
    // From here on SQLite refuses every write.
    connection.exec('PRAGMA query_only = ON');
    await clock.advance(62_000);
    expect(values(read(log, ['a']).events)).toEqual([1]);
    const other = open();
    await other.append([entry('a', 2)]);
    await clock.advance(1_000);
    expect(values(told.events)).toEqual([2]);
    expect(told.errors).toEqual([]);
    connection.exec('PRAGMA query_only = OFF');
    await clock.advance(2_000);
    expect(values(read(log, ['a']).events)).toEqual([2]);
  });

  test('the journal shrinks to at most 16 MiB after a burst', async () => {
    const log = open();
    await log.append([entry('a', 0)]);
    // A reader of an old snapshot prevents the checkpoint of the journal.
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT count(*) FROM event');
    reader.prepare('SELECT count(*) FROM event').get();
    for (let n = 0; n < 20; n += 1) await log.append([entry('a', 'x'.repeat(1_000_000))]);
    const journalBytes = () => statSync(`${path}-wal`).size;
    expect(journalBytes()).toBeGreaterThan(16 * 1024 * 1024);
    reader.exec('COMMIT');
    reader.close();
    for (let n = 0; n < 2; n += 1) await log.append([entry('a', n)]);
    expect(journalBytes()).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  test('a tail is reset if events were evicted before its process read them', async () => {
    const told = follow(open());
    const writer = open({ maxEvents: 10 });
    for (let n = 0; n < 40; n += 1) await writer.append([entry('a', n)]);
    await clock.advance(20);
    expect([told.events, told.resets]).toEqual([[], ['trimmed']]);
    await writer.append([entry('a', 40)]);
    await clock.advance(20);
    expect(values(told.events)).toEqual([40]);
  });
});

describe('appending to a log', () => {
  let holder: DatabaseSync;

  beforeEach(() => {
    open();
    holder = new DatabaseSync(path);
  });
  afterEach(() => holder.close());

  test('appends wait for the lock of another process in order, without blocking the event loop', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const done: number[] = [];
    const started = systemClock.now();
    // More than one transaction can take.
    const appends = Array.from({ length: 1_200 }, async (_, n) => {
      await log.append([entry('a', n)]);
      done.push(n);
    });
    await clock.advance(1_000);
    expect(done).toEqual([]);
    expect(systemClock.now() - started).toBeLessThan(1_000);
    holder.exec('COMMIT');
    await clock.advance(20);
    await Promise.all(appends);
    expect(done).toEqual(Array.from(done, (_, n) => n));
    expect(values(read(log, ['a']).events)).toEqual(done);
  });

  test('an append that waits 5 s for a lock rejects with a retryable error, and later appends succeed', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const refused = expect(log.append([entry('a', 1)])).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
      message: expect.stringContaining('another process holds it') as string,
    });
    await clock.advance(5_100);
    await refused;
    holder.exec('COMMIT');
    await log.append([entry('a', 2)]);
    expect(values(read(log, ['a']).events)).toEqual([2]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('at most 10,000 events wait for a lock', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const many = Array.from({ length: 9_999 }, (_, n) => entry('a', n));
    const appends = [many, [entry('a', 'last')]].map(async (entries) => await log.append(entries));
    await expect(log.append([entry('a', 'too many')])).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
    });
    holder.exec('COMMIT');
    await clock.advance(100);
    expect(await Promise.all(appends)).toHaveLength(2);
  });

  test('at most 64 MiB of events wait for a lock', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const large = {
      address: 'a',
      data: JSON.stringify('x'.repeat(16 * 1024 * 1024)),
      keep: 'latest',
    } as const;
    const appends = [1, 2, 3].map(async () => await log.append([large]));
    await expect(log.append([large])).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
      message: expect.stringContaining('67108864') as string,
    });
    const small = log.append([entry('b', 1)]);
    holder.exec('COMMIT');
    await clock.advance(200);
    expect(await Promise.all([...appends, small])).toHaveLength(4);
  });

  test('closing a log waits for pending appends', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const append = log.append([entry('a', 1)]);
    const closing = log.close?.();
    await clock.advance(100);
    holder.exec('COMMIT');
    await clock.advance(100);
    await closing;
    expect(await append).toEqual({ epoch: log.epoch, position: '1', duplicate: false });
  });

  test('a failed write rejects the append with its cause and stores nothing', async () => {
    const log = open();
    holder.exec(`CREATE TRIGGER fail BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END`);
    const append = log.append([entry('a', 1)]);
    await expect(append).rejects.toMatchObject({ code: 'log_failed', cause: expect.any(Error) as Error });
    holder.exec('DROP TRIGGER fail');
    expect(log.position()).toBe(BEGINNING);
    expect(await log.append([entry('a', 2)])).toEqual({ epoch: log.epoch, position: '1', duplicate: false });
  });

  test('the byte count excludes old events after a topic changes to keep: latest', async () => {
    const log = open();
    await log.append([entry('a', 'x'.repeat(300)), entry('a', 'y'.repeat(200)), entry('b', 'stays')]);
    await log.append([entry('a', 'newest', 'latest')]);
    const counted = 'SELECT events, bytes, latest_events, latest_bytes FROM meta';
    const size = (value: string): number => 1 + JSON.stringify(value).length;
    expect(holder.prepare(counted).get()).toEqual({
      events: 1,
      bytes: size('stays'),
      latest_events: 1,
      latest_bytes: size('newest'),
    });
  });

  test('the log file stays small with maxEvents', async () => {
    const log = open({ maxEvents: 100 });
    for (let n = 0; n < 40; n += 1) {
      const entries = Array.from({ length: 500 }, (_, i) =>
        entry(`a${(n * 500 + i) % 300}`, 'x'.repeat(200)),
      );
      await log.append(entries);
    }
    expect(statSync(path).size).toBeLessThan(1024 * 1024);
    expect(statSync(`${path}-wal`).size).toBeLessThan(8 * 1024 * 1024);
  });

  test('events of 500 addresses are appended and replayed in time', async () => {
    const log = open({ maxEvents: 100_000 });
    const addresses = Array.from({ length: 500 }, (_, n) => `a${n}`);
    let started = performance.now();
    for (let n = 0; n < 40; n += 1) await log.append(addresses.map((address) => entry(address, n)));
    const appended = performance.now() - started;
    started = performance.now();
    let count = 0;
    let after = BEGINNING;
    while (after !== log.position()) {
      const page = read(log, addresses.slice(0, 250), after, 500);
      count += page.events.length;
      after = page.through;
    }
    expect(count).toBe(10_000);
    // About 0.5 s and 0.3 s on the machine of the author.
    expect(appended).toBeLessThan(10_000);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
