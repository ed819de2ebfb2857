import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test, vi } from 'vitest';
import { entry, follow, read, useSqliteBench, values } from '../../../../test-kit/sqlite-bench.ts';

const bench = useSqliteBench();
const { open } = bench;

describe('eviction from a SQLite log', () => {
  test('sqliteLog evicts events past maxAgeMs without new appends', async () => {
    const log = open({ maxAgeMs: 60_000 });
    await log.append([entry('a', 1)]);
    follow(log);
    await bench.clock.advance(62_000);
    const db = new DatabaseSync(bench.path);
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
    await bench.clock.advance(62_000);
    expect(values(read(log, ['a']).events)).toEqual([1]);
    const other = open();
    await other.append([entry('a', 2)]);
    await bench.clock.advance(1_000);
    expect(values(told.events)).toEqual([2]);
    expect(told.errors).toEqual([]);
    connection.exec('PRAGMA query_only = OFF');
    await bench.clock.advance(2_000);
    expect(values(read(log, ['a']).events)).toEqual([2]);
  });

  test('the byte count excludes old events after a topic changes to keep: latest', async () => {
    const log = open();
    await log.append([entry('a', 'x'.repeat(300)), entry('a', 'y'.repeat(200)), entry('b', 'stays')]);
    await log.append([entry('a', 'newest', 'latest')]);
    const counted = 'SELECT events, bytes, latest_events, latest_bytes FROM meta';
    const size = (value: string): number => 1 + JSON.stringify(value).length;
    const db = new DatabaseSync(bench.path);
    expect(db.prepare(counted).get()).toEqual({
      events: 1,
      bytes: size('stays'),
      latest_events: 1,
      latest_bytes: size('newest'),
    });
    db.close();
  });

  test('the log file stays small with maxEvents', async () => {
    const log = open({ maxEvents: 100 });
    for (let n = 0; n < 40; n += 1) {
      const entries = Array.from({ length: 500 }, (_, i) =>
        entry(`a${(n * 500 + i) % 300}`, 'x'.repeat(200)),
      );
      await log.append(entries);
    }
    expect(statSync(bench.path).size).toBeLessThan(1024 * 1024);
    expect(statSync(`${bench.path}-wal`).size).toBeLessThan(8 * 1024 * 1024);
  });
});
