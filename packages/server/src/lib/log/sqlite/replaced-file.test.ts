import { renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BEGINNING } from '@linefeed/shared/wire';
import { describe, expect, test, vi } from 'vitest';
import {
  copyFiles,
  entry,
  failure,
  follow,
  read,
  replaceFiles,
  useSqliteBench,
  values,
} from '../../../../test-kit/sqlite-bench.ts';
import { systemClock } from '../../base/clock.ts';
import type { Log, ReadPage } from '../log.ts';
import { SqliteStore } from './store.ts';

const bench = useSqliteBench();
const { file, open } = bench;

describe('a log file that changes while it is open', () => {
  test('a removed log file fails appends, is reported once, and works again when it is put back', async () => {
    const log = open();
    const told = follow(log);
    await log.append([entry('a', 1)]);
    const away = file('away.db');
    renameSync(bench.path, away);
    await bench.clock.advance(5_000);
    expect(told.errors).toEqual([failure('events.db is gone; put it back')]);
    await expect(log.append([entry('a', 2)])).rejects.toEqual(failure('is gone'));
    renameSync(away, bench.path);
    await bench.clock.advance(5_000);
    await log.append([entry('a', 3)]);
    expect(values(told.events)).toEqual([1, 3]);
    expect([told.resets, told.errors.length]).toEqual([[], 1]);
  });

  test('a log file replaced by another log resets tails to the epoch of that log', async () => {
    const other = open({ path: file('other.db') });
    await other.append([entry('a', 'of the other')]);
    await other.close?.();
    const log = open();
    const told = follow(log);
    await log.append([entry('a', 1)]);
    replaceFiles(bench.path, file('other.db'));
    await bench.clock.advance(2_000);
    expect(told.resets).toEqual(['epoch']);
    expect(log.epoch).toBe(other.epoch);
    expect(values(read(log, ['a']).events)).toEqual(['of the other']);
    await log.append([entry('a', 2)]);
    expect(values(told.events)).toEqual([1, 2]);
  });

  test('a log file replaced by an older copy is a rollback for every process', async () => {
    const copy = file('copy.db');
    const first = open();
    const second = open();
    await first.append([entry('a', 1)]);
    copyFiles(bench.path, copy);
    await first.append([entry('a', 2)]);
    const { epoch } = first;
    const told = [follow(first), follow(second)];
    replaceFiles(bench.path, copy);
    await bench.clock.advance(2_000);
    expect(told.map(({ resets }) => resets)).toEqual([['rollback'], ['rollback']]);
    expect(first.epoch).not.toBe(epoch);
    expect(second.epoch).toBe(first.epoch);
  });

  test('a log file that is replaced just before its log closes gets a new epoch', async () => {
    const log = open();
    const { epoch } = log;
    await log.append([entry('a', 'both')]);
    const copy = file('copy.db');
    copyFiles(bench.path, copy);
    await log.append([entry('a', 'lost')]);
    replaceFiles(bench.path, copy);
    await log.close!();
    expect(open().epoch).not.toBe(epoch);
  });
});

describe('a replaced log file that another process locks', () => {
  /** Follows a log of one event. Then it replaces the file with an older copy that another connection holds. */
  async function replace(log: Log): Promise<DatabaseSync> {
    await log.append([entry('a', 'both')]);
    const copy = file('copy.db');
    copyFiles(bench.path, copy);
    await log.append([entry('a', 'lost')]);
    replaceFiles(bench.path, copy);
    const holder = new DatabaseSync(bench.path);
    holder.exec('BEGIN IMMEDIATE');
    return holder;
  }

  test('a replaced log file is opened when its lock is released, and nothing blocks until then', async () => {
    const log = open();
    const told = follow(log);
    const holder = await replace(log);
    const started = systemClock.now();
    await bench.clock.advance(2_000);
    const append = log.append([entry('a', 'after')]);
    await bench.clock.advance(1_000);
    expect(systemClock.now() - started).toBeLessThan(1_500);
    expect([told.resets, told.errors]).toEqual([[], []]);
    holder.exec('COMMIT');
    holder.close();
    await bench.clock.advance(300);
    await append;
    expect(told.resets).toEqual(['rollback']);
    expect(values(told.events)).toEqual(['both', 'lost', 'after']);
  });

  test('an append to a replaced and locked log file rejects after 5 s with a retryable error', async () => {
    const log = open();
    const holder = await replace(log);
    await bench.clock.advance(1_000);
    const refused = expect(log.append([entry('a', 1)])).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
    });
    await bench.clock.advance(5_100);
    await refused;
    holder.close();
  });

  test.each(['read', 'append', 'newest', 'close'] as const)(
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
      await bench.clock.advance(1_000);
      // Another history reaches the position of the old one, and goes past it.
      const insert = `INSERT INTO event (position, address, appended_at, bytes, data) VALUES (?, 1, 0, 1, '"x"')`;
      for (const position of [2, 3]) holder.prepare(insert).run(position);
      holder.exec('UPDATE meta SET sequence = 3');
      await bench.clock.advance(1_000);
      expect([log.epoch, told.resets]).toEqual([epoch, []]);
      const addresses = new Map([['a', BEGINNING]]);
      const done = Promise.resolve(
        {
          read: () => log.read({ after: '1', addresses, limit: 9, maxBytes: 999 }),
          append: () => log.append([entry('a', 'new')]),
          newest: () => log.newest(),
          close: () => log.close?.(),
        }[operation](),
      );
      await bench.clock.advance(100);
      holder.exec('COMMIT');
      await bench.clock.advance(20);
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
    await bench.clock.advance(1_500);
    first.close();
    const told = follow(log);
    holder.exec('COMMIT');
    holder.close();
    await bench.clock.advance(300);
    expect(told.resets).toEqual(['rollback']);
  });
});
