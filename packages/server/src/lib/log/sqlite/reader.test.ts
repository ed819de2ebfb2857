import { BEGINNING } from '@linefeed/shared/wire';
import { describe, expect, test } from 'vitest';
import { entry, follow, read, useSqliteBench } from '../../../../test-kit/sqlite-bench.ts';

const bench = useSqliteBench();
const { open } = bench;

describe('reading from a SQLite log', () => {
  test('sqliteLog gives every reader the same object for an event', async () => {
    const log = open();
    const other = open();
    const told = [follow(log), follow(other)];
    await log.append(Array.from({ length: 50 }, (_, n) => entry('a', n)));
    await bench.clock.advance(20);
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

  test('events of 500 addresses are appended and replayed in time', async () => {
    const log = open({ maxEvents: 100_000 });
    const addresses = Array.from({ length: 500 }, (_, n) => `a${n}`);
    let started = performance.now();
    for (let n = 0; n < 40; n += 1) await log.append(addresses.map((address) => entry(address, n)));
    const appended = performance.now() - started;
    started = performance.now();
    let count = 0;
    let after = BEGINNING;
    while (after !== (await log.newest()).position) {
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
