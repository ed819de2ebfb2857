import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test, vi } from 'vitest';
import {
  copyFiles,
  entry,
  failure,
  read,
  useSqliteBench,
  values,
} from '../../../../test-kit/sqlite-bench.ts';

const bench = useSqliteBench();
const { file, open } = bench;

/** Changes the file as another application does. */
function change(statements: string): void {
  const db = new DatabaseSync(bench.path);
  db.exec(statements);
  db.close();
}

/** Expects that opening the log fails, and does not change the file. */
function expectRefusal(error: Error): void {
  const before = readFileSync(bench.path);
  expect(() => open()).toThrow(error);
  expect(readFileSync(bench.path).equals(before)).toBe(true);
}

describe('opening a log', () => {
  test('sqliteLog refuses a missing directory and names it', () => {
    const missing = file('nowhere/events.db');
    expect(() => open({ path: missing })).toThrow(
      failure('directory', 'nowhere', 'does not exist; create it'),
    );
    expect(existsSync(file('nowhere'))).toBe(false);
  });

  test('sqliteLog refuses a directory that is not writable and names the path', () => {
    expect(() => open({ path: '/proc/self/linefeed.db' })).toThrow(
      failure('/proc/self/linefeed.db', 'writable'),
    );
  });

  test('sqliteLog refuses a directory in place of the file and names it', () => {
    mkdirSync(bench.path);
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
    expect(existsSync(bench.path)).toBe(false);
  });

  test('sqliteLog does not change a file that is not a SQLite file', () => {
    const text = '# Shopping list\n- bread\n';
    writeFileSync(bench.path, text);
    expect(() => open()).toThrow(
      failure('events.db is not a SQLite file', 'Shopping', 'Nothing was changed'),
    );
    expect(readFileSync(bench.path, 'utf8')).toBe(text);
    expect(existsSync(`${bench.path}-wal`)).toBe(false);
  });

  test('sqliteLog does not change a SQLite file of another application', () => {
    change('CREATE TABLE customers (name TEXT); PRAGMA application_id = 77');
    expectRefusal(failure('SQLite file of another program', 'application id 77, 1 tables'));
  });

  test('sqliteLog refuses a SQLite file with tables but without an application id', () => {
    change('CREATE TABLE customers (name TEXT)');
    expect(() => open()).toThrow(failure('another program'));
  });

  test('sqliteLog refuses a SQLite file with another user_version, even without tables', () => {
    change('PRAGMA user_version = 7');
    expectRefusal(failure('another program', 'version 7'));
  });

  test.each(['DROP TABLE latest', 'DROP TABLE meta', 'ALTER TABLE event DROP COLUMN prev'])(
    'a log file without a part of its schema is reported as damaged, unchanged and closed: %s',
    async (statement) => {
      await open().close?.();
      change(statement);
      const before = readFileSync(bench.path);
      const close = vi.spyOn(DatabaseSync.prototype, 'close');
      expect(() => open()).toThrow(failure('events.db is damaged', 'no (such|column)', 'move it'));
      expect(close).toHaveBeenCalledTimes(1);
      close.mockRestore();
      expect(readFileSync(bench.path).equals(before)).toBe(true);
    },
  );

  test('sqliteLog does not change a log file of a later format', async () => {
    await open().close?.();
    change('PRAGMA user_version = 9');
    expectRefusal(failure('format 9', 'format 1'));
  });

  test.each([
    ['cut off', () => truncateSync(bench.path, statSync(bench.path).size / 2)],
    [
      'overwritten in the middle',
      () => writeFileSync(bench.path, readFileSync(bench.path).fill(0x5a, 4096, 20_000)),
    ],
  ])('a damaged log file is reported and not changed: %s', async (_, damage) => {
    const log = open();
    await log.append(Array.from({ length: 500 }, (_value, n) => entry(`a${n}`, n)));
    await log.close?.();
    damage();
    expectRefusal(failure('events.db is damaged', 'move it'));
  });

  test('opening a log waits 5 s for the lock of another process, then throws a retryable error', async () => {
    await open().close?.();
    const holder = new DatabaseSync(bench.path);
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
    writeFileSync(bench.path, '');
    const log = open();
    await log.append([entry('a', 1)]);
    expect(values(read(log, ['a']).events)).toEqual([1]);
  });

  test('a closed log leaves only the database file', async () => {
    const log = open();
    await log.append([entry('a', 1)]);
    await log.close?.();
    expect([
      existsSync(bench.path),
      existsSync(`${bench.path}-wal`),
      existsSync(`${bench.path}-shm`),
    ]).toEqual([true, false, false]);
  });
});

describe('a crash of the operating system', () => {
  async function stopUncleanly(synchronous: 'normal' | 'full'): Promise<{ copy: string; epoch: string }> {
    const log = open({ bootId: 'first', synchronous });
    const appending = log.append([entry('a', 1), entry('p', 'value', 'latest'), entry('a', 2)]);
    await bench.clock.settle();
    await appending;
    const copy = file('after.db');
    copyFiles(bench.path, copy);
    return { copy, epoch: log.epoch };
  }

  test('a system crash with synchronous: normal starts a new epoch with only the keep: latest values', async () => {
    const { copy, epoch } = await stopUncleanly('normal');
    const log = open({ path: copy, bootId: 'second' });
    expect(log.epoch).not.toBe(epoch);
    const page = read(log, ['a', 'p']);
    expect(values(page.events)).toEqual(['value']);
    expect(page.evictedThrough).toEqual(new Map([['a', (await log.newest()).position]]));
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
    const copy = file('after.db');
    copyFiles(bench.path, copy);
    expect(open({ path: copy, bootId: 'at 1004' }).epoch).toBe(log.epoch);
    expect(open({ path: copy, bootId: 'at 1600' }).epoch).not.toBe(log.epoch);
  });
});
