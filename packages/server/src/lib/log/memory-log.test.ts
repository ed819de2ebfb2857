import { expect, test } from 'vitest';
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import type { Log, LogCursor, LogEntry } from './log.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { MAX_WATERMARKS } from './bounds.ts';
import { memoryLog, type MemoryLogOptions } from './memory-log.ts';

const open = (options: MemoryLogOptions = {}) => memoryLog({ clock: createManualClock(), ...options });

function entry(address: string, value: unknown, keep: 'all' | 'latest' = 'all'): LogEntry {
  return { address, data: JSON.stringify(value), keep };
}

function read(log: Log, addresses: string[], after: Position = BEGINNING, limit = 1_000_000) {
  const page = log.read({
    after,
    addresses: new Map(addresses.map((address) => [address, BEGINNING])),
    limit,
    maxBytes: Infinity,
  });
  if ('then' in page) throw new Error('a log in memory answers at once');
  return page;
}

test('memoryLog answers synchronously', () => {
  const log = open();
  expect(log.append([entry('a', 1)])).toEqual({ epoch: log.epoch, position: '1', duplicate: false });
  expect(log.newest()).toEqual({ epoch: log.epoch, position: '1' });
});

test('each memoryLog has its own epoch', () => {
  const clock = createManualClock();
  expect(memoryLog({ clock }).epoch).not.toBe(memoryLog({ clock }).epoch);
});

test.each(['maxEvents', 'maxAgeMs', 'maxBytes'] as const)(
  'memoryLog refuses a %s that is not positive',
  (name) => {
    for (const value of [0, -1, Number.NaN, Infinity, true]) {
      expect(() => memoryLog({ [name]: value })).toThrow(
        expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(/or false/) }),
      );
    }
  },
);

test('memoryLog holds 10,000 events by default', () => {
  const log = open();
  void log.append(Array.from({ length: 10_001 }, (_, n) => entry('a', n)));
  expect(read(log, ['a']).events).toHaveLength(10_000);
});

test('memoryLog holds an event for one hour by default', async () => {
  const clock = createManualClock();
  const log = memoryLog({ clock });
  void log.append([entry('a', 1)]);
  await clock.advance(3_600_000);
  expect(read(log, ['a']).events).toHaveLength(1);
  await clock.advance(1);
  expect(read(log, ['a']).events).toHaveLength(0);
});

test('memoryLog holds 64 MiB by default', () => {
  const log = open();
  const megabyte = { address: 'a', data: '0'.repeat(2 ** 20 - 1), keep: 'all' } as const;
  for (let n = 0; n < 66; n += 1) void log.append([megabyte]);
  expect(read(log, ['a']).events).toHaveLength(64);
});

test('memoryLog gives every reader the same object for an event', () => {
  const log = open();
  const told: unknown[] = [];
  log.tail({
    onEvents: (events) => told.push(...events),
    onReset: () => undefined,
    onError: () => undefined,
  });
  void log.append([entry('a', 1)]);
  expect(read(log, ['a']).events[0]).toBe(told[0]);
});

test('memoryLog forgets the oldest addresses past its limit', () => {
  const log = open({ maxEvents: 1 });
  for (let n = 0; n < MAX_WATERMARKS + 3; n += 1) void log.append([entry(`a${n}`, n)]);
  // Positions count from 1. Two addresses are forgotten, and one has a held event.
  expect(read(log, ['a2'], '2').evictedThrough).toEqual(new Map([['a2', '3']]));
  expect(read(log, ['a0', 'never'], '1').evictedThrough).toEqual(
    new Map([
      ['a0', '2'],
      ['never', '2'],
    ]),
  );
  expect(read(log, ['a0', 'never'], '2').evictedThrough.size).toBe(0);
});

test('memoryLog frees the memory of superseded values', () => {
  const log = open();
  const values = 300_000;
  const before = process.memoryUsage().heapUsed;
  void log.append([entry('first', 0, 'latest')]);
  for (let n = 0; n < values; n += 1) void log.append([entry(`p${n % 3}`, n, 'latest')]);
  expect(read(log, ['first', 'p0', 'p1', 'p2']).events).toHaveLength(4);
  // A value and its queue entry take about 200 bytes.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(values * 100);
});

test('a read of one address in memoryLog takes no time for events of other addresses', () => {
  const log = open({ maxEvents: 100_000 });
  const started = performance.now();
  for (let n = 0; n < 100_000; n += 1) void log.append([entry(n % 100 === 0 ? 'quiet' : 'busy', n)]);
  const appended = performance.now();
  for (let n = 0; n < 1_000; n += 1) {
    expect(read(log, ['quiet'], n.toString(36), 100).events).toHaveLength(100);
  }
  const done = performance.now();
  // About 100 and 30 ms on the machine of the author. A scan of every event would take minutes.
  expect(appended - started).toBeLessThan(2_000);
  expect(done - appended).toBeLessThan(2_000);
});

test('a replay of 256 addresses from memoryLog takes time in proportion to the events read', () => {
  const log = open({ maxEvents: 100_000 });
  const addresses = Array.from({ length: 256 }, (_, n) => `a${n}`);
  for (let n = 0; n < 100_000; n += 1) void log.append([entry(addresses[(n * n) % 256]!, n)]);
  const started = performance.now();
  let count = 0;
  let after: Position = BEGINNING;
  while (after !== (log.newest() as LogCursor).position) {
    const page = read(log, addresses, after, 500);
    count += page.events.length;
    after = page.through;
  }
  expect(count).toBe(100_000);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('a full memoryLog appends as fast as an empty one', () => {
  const log = open({ maxEvents: 50_000 });
  const time = () => {
    const started = performance.now();
    for (let n = 0; n < 50_000; n += 1) void log.append([entry('a', n)]);
    return performance.now() - started;
  };
  time();
  expect(time()).toBeLessThan(2_000);
});
