/** A directory and a manual clock of its own for each test of the SQLite log, and helpers for its files and readers. */
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Log, LogEntry, LogEvent, ReadPage } from '../src/lib/log/log.ts';
import type { SqliteLogOptions } from '../src/lib/log/sqlite/options.ts';
import { sqliteLog } from '../src/lib/log/sqlite/sqlite-log.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';

export interface SqliteBench {
  /** The clock of every log that this test opens. */
  readonly clock: ManualClock;
  /** The file that `open` opens by default. */
  readonly path: string;
  /** The path of another file in the directory of this test. */
  file(name: string): string;
  /** Opens a log. It is closed at the end of the test. */
  open(options?: Partial<SqliteLogOptions>): Log;
}

/** Call it at the top of a test file. */
export function useSqliteBench(): SqliteBench {
  let directory: string;
  let clock: ManualClock;
  let logs: Log[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
    clock = createManualClock();
    logs = [];
  });
  afterEach(async () => {
    for (const log of logs) await log.close?.();
    rmSync(directory, { recursive: true });
  });
  return {
    get clock() {
      return clock;
    },
    get path() {
      return join(directory, 'events.db');
    },
    file: (name) => join(directory, name),
    open(options = {}) {
      const log = sqliteLog({ path: join(directory, 'events.db'), clock, ...options });
      logs.push(log);
      return log;
    },
  };
}

export function entry(address: string, value: unknown, keep: 'all' | 'latest' = 'all'): LogEntry {
  return { address, data: JSON.stringify(value), keep };
}

export function read(
  log: Log,
  addresses: string[],
  after: Position = BEGINNING,
  limit: number = 10_000,
): ReadPage {
  const floors = new Map(addresses.map((address) => [address, BEGINNING]));
  return log.read({ after, addresses: floors, limit, maxBytes: Infinity }) as ReadPage;
}

/** The payloads of events. */
export function values(events: readonly LogEvent[]): unknown[] {
  return events.map(({ data }) => JSON.parse(data) as unknown);
}

export interface Followed {
  readonly events: LogEvent[];
  readonly resets: string[];
  readonly errors: unknown[];
  close(): void;
}

/** Follows the tail of a log, and records everything that its listener gets. */
export function follow(log: Log): Followed {
  const told = { events: [] as LogEvent[], resets: [] as string[], errors: [] as unknown[] };
  const tail = log.tail({
    onEvents: (events) => told.events.push(...events),
    onReset: (reason) => told.resets.push(reason),
    onError: (error) => told.errors.push(error),
  });
  return { ...told, close: tail.close };
}

/** A `log_failed` whose message contains these patterns in this order. */
export function failure(...parts: string[]): Error {
  return expect.objectContaining({
    code: 'log_failed',
    message: expect.stringMatching(new RegExp(parts.join('.*'), 's')) as string,
  }) as Error;
}

/** SQLite keeps a log in up to three files. */
const SUFFIXES = ['', '-wal', '-shm'];

export function copyFiles(from: string, to: string): void {
  for (const suffix of SUFFIXES) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
}

/** Puts the files of one log in the place of another one. */
export function replaceFiles(path: string, replacement: string): void {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
  for (const suffix of SUFFIXES)
    if (existsSync(replacement + suffix)) renameSync(replacement + suffix, path + suffix);
}
