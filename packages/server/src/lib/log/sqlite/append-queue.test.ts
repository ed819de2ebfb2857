import { DatabaseSync } from 'node:sqlite';
import { BEGINNING } from '@linefeed/shared/wire';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { entry, read, useSqliteBench, values } from '../../../../test-kit/sqlite-bench.ts';
import { systemClock } from '../../base/clock.ts';

const bench = useSqliteBench();
const { open } = bench;

describe('appending to a log', () => {
  let holder: DatabaseSync;

  beforeEach(() => {
    open();
    holder = new DatabaseSync(bench.path);
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
    await bench.clock.advance(1_000);
    expect(done).toEqual([]);
    expect(systemClock.now() - started).toBeLessThan(1_000);
    holder.exec('COMMIT');
    await bench.clock.advance(20);
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
    await bench.clock.advance(5_100);
    await refused;
    holder.exec('COMMIT');
    await log.append([entry('a', 2)]);
    expect(values(read(log, ['a']).events)).toEqual([2]);
    expect(bench.clock.pending).toBe(0);
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
    await bench.clock.advance(100);
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
    await bench.clock.advance(200);
    expect(await Promise.all([...appends, small])).toHaveLength(4);
  });

  test('closing a log waits for pending appends', async () => {
    const log = open();
    holder.exec('BEGIN IMMEDIATE');
    const append = log.append([entry('a', 1)]);
    const closing = log.close?.();
    await bench.clock.advance(100);
    holder.exec('COMMIT');
    await bench.clock.advance(100);
    await closing;
    expect(await append).toEqual({ epoch: log.epoch, position: '1', duplicate: false });
  });

  test('a failed write rejects the append with its cause and stores nothing', async () => {
    const log = open();
    holder.exec(`CREATE TRIGGER fail BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END`);
    const append = log.append([entry('a', 1)]);
    await expect(append).rejects.toMatchObject({ code: 'log_failed', cause: expect.any(Error) as Error });
    holder.exec('DROP TRIGGER fail');
    expect(await log.newest()).toEqual({ epoch: log.epoch, position: BEGINNING });
    expect(await log.append([entry('a', 2)])).toEqual({ epoch: log.epoch, position: '1', duplicate: false });
  });
});
