import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { entry, follow, useSqliteBench, values } from '../../../../test-kit/sqlite-bench.ts';

const bench = useSqliteBench();
const { open } = bench;

describe('following a log', () => {
  test('a tail receives events of another process within pollMs', async () => {
    const told = follow(open({ pollMs: 40 }));
    const writer = open();
    await writer.append([entry('a', 1)]);
    await bench.clock.advance(39);
    expect(told.events).toEqual([]);
    await bench.clock.advance(1);
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
    expect(bench.clock.pending).toBe(0);
    const first = follow(log);
    const second = follow(log);
    expect(bench.clock.pending).toBe(1);
    first.close();
    expect(bench.clock.pending).toBe(1);
    second.close();
    expect(bench.clock.pending).toBe(0);
    follow(log);
    await log.close?.();
    expect(bench.clock.pending).toBe(0);
  });

  test('the journal shrinks to at most 16 MiB after a burst', async () => {
    const log = open();
    await log.append([entry('a', 0)]);
    // A reader of an old snapshot prevents the checkpoint of the journal.
    const reader = new DatabaseSync(bench.path);
    reader.exec('BEGIN; SELECT count(*) FROM event');
    reader.prepare('SELECT count(*) FROM event').get();
    for (let n = 0; n < 20; n += 1) await log.append([entry('a', 'x'.repeat(1_000_000))]);
    const journalBytes = () => statSync(`${bench.path}-wal`).size;
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
    await bench.clock.advance(20);
    expect([told.events, told.resets]).toEqual([[], ['trimmed']]);
    await writer.append([entry('a', 40)]);
    await bench.clock.advance(20);
    expect(values(told.events)).toEqual([40]);
  });
});
