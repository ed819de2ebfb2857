import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BEGINNING, comparePositions } from '@linefeed/shared/wire';
import { usePrograms, type Program } from '../../../../test-kit/programs.ts';
import type { LogEvent, ReadPage } from '../log.ts';
import { sqliteLog } from './sqlite-log.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
  path = join(directory, 'events.db');
});

afterEach(() => rmSync(directory, { recursive: true }));

const PRELUDE = `
  import { sqliteLog } from ${JSON.stringify(new URL('sqlite-log.ts', import.meta.url).href)};
  const [path, name, count] = process.argv.slice(1);
  const log = sqliteLog({ path, maxEvents: 100_000 });
  const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
  const append = (n) => log.append([{ address: name, data: String(n), keep: 'all' }]);
`;

/** Appends 1, 2, 3, … and prints each after its commit. It stops at `count`, or when it is killed. */
const WRITER = `${PRELUDE}
  for (let n = 1; n <= Number(count); n += 1) {
    const { position } = await append(n);
    say([n, position]);
  }
  await log.close();
`;

/** Prints the events of the tail. */
const FOLLOWER = `${PRELUDE}
  const tail = log.tail({
    onEvents: (events) => events.forEach(({ address, data, position, prev }) => say({ address, data, position, prev })),
    onReset: (reason) => say({ reset: reason }),
    onError: (error) => say({ error: String(error) }),
  });
  say({ following: tail.start.position });
  setInterval(() => undefined, 60_000);
`;

const startProgram = usePrograms();
const start = (code: string, ...args: Array<string | number>) => startProgram(code, path, ...args);

type Told = Pick<LogEvent, 'address' | 'data' | 'position' | 'prev'>;

/** Expects every event once, in position order, each with the position of the previous event of its address. */
function expectUnbroken(told: readonly Told[]): void {
  const last = new Map<string, Told>();
  let position = BEGINNING;
  for (const event of told) {
    const before = last.get(event.address);
    expect(comparePositions(event.position, position)).toBeGreaterThan(0);
    expect(Number(event.data)).toBe(Number(before?.data ?? 0) + 1);
    expect(event.prev).toBe(before?.position ?? BEGINNING);
    last.set(event.address, event);
    ({ position } = event);
  }
}

const eventsOf = (follower: Program) => follower.lines.slice(1) as Told[];

async function startFollower(): Promise<Program> {
  const follower = start(FOLLOWER, 'follower');
  await follower.until(([first]) => first !== undefined);
  expect(follower.lines).toEqual([{ following: '0' }]);
  return follower;
}

test('a third process follows the events of two writers without loss and in one order', async () => {
  const follower = await startFollower();
  const writers = [start(WRITER, 'a', 600), start(WRITER, 'b', 600)];
  expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual([0, 0]);
  await follower.until(({ length }) => length === 1201);
  expectUnbroken(eventsOf(follower));
  for (const [index, name] of ['a', 'b'].entries()) {
    const said = writers[index]!.lines.map((line) => (line as [number, string])[1]);
    const told = eventsOf(follower).filter(({ address }) => address === name);
    expect(told.map(({ position }) => position)).toEqual(said);
  }
});

test('a writer killed by SIGKILL loses no committed event, and other processes continue', async () => {
  const follower = await startFollower();
  const killed = start(WRITER, 'a', Number.MAX_SAFE_INTEGER);
  const other = start(WRITER, 'b', 800);
  await killed.until(({ length }) => length >= 200);
  killed.process.kill('SIGKILL');
  await killed.ended;
  expect(await other.ended).toBe(0);
  const next = start(WRITER, 'c', 50);
  expect(await next.ended).toBe(0);
  await follower.until(
    (lines) => (lines.at(-1) as Told).address === 'c' && (lines.at(-1) as Told).data === '50',
  );
  expectUnbroken(eventsOf(follower));
  const told = eventsOf(follower).filter(({ address }) => address === 'a');
  const said = killed.lines.map((line) => (line as [number, string])[1]);
  // The kill may have come between the commit and the print.
  expect(told.map(({ position }) => position).slice(0, said.length)).toEqual(said);
  const db = new DatabaseSync(path);
  expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
  db.close();
});

test('the log keeps its epoch and all committed events after SIGKILL of every process', async () => {
  const writers = [start(WRITER, 'a', Number.MAX_SAFE_INTEGER), start(WRITER, 'b', Number.MAX_SAFE_INTEGER)];
  await Promise.all(writers.map((writer) => writer.until(({ length }) => length >= 50)));
  const before = sqliteLog({ path, maxEvents: 100_000 });
  for (const { process } of writers) process.kill('SIGKILL');
  await Promise.all(writers.map(({ ended }) => ended));
  const log = sqliteLog({ path, maxEvents: 100_000 });
  expect(log.epoch).toBe(before.epoch);
  const addresses = new Map([
    ['a', BEGINNING],
    ['b', BEGINNING],
  ]);
  const page = log.read({ after: BEGINNING, addresses, limit: 100_000, maxBytes: Infinity }) as ReadPage;
  expectUnbroken(page.events);
  expect(page.events.length).toBeGreaterThanOrEqual(writers[0]!.lines.length + writers[1]!.lines.length);
  await before.close?.();
  await log.close?.();
});

test('processes that create the log file at the same time agree on its epoch', async () => {
  const code = `${PRELUDE} say(log.epoch); await append(1); await log.close();`;
  const makers = ['a', 'b', 'c', 'd'].map((name) => start(code, name));
  expect(await Promise.all(makers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);
  expect(new Set(makers.flatMap(({ lines }) => lines)).size).toBe(1);
});

test('an append that waits for the file lock keeps its process alive', async () => {
  const writer = start(
    `${PRELUDE}
    const { DatabaseSync } = await import('node:sqlite');
    const holder = new DatabaseSync(path);
    holder.exec('BEGIN IMMEDIATE');
    setTimeout(() => holder.exec('COMMIT'), 200).unref();
    await append(1);
    say('appended');`,
    'a',
  );
  expect(await writer.ended).toBe(0);
  expect(writer.lines).toEqual(['appended']);
});

/** Holds the lock of a log's file until it is killed. */
const HOLDER = `
  import { DatabaseSync } from 'node:sqlite';
  const db = new DatabaseSync(process.argv[1]);
  db.exec('BEGIN IMMEDIATE');
  process.stdout.write('"holds"\\n');
  setInterval(() => undefined, 60_000);
`;

test('a server does not block while another process locks the file that replaced its log', async () => {
  const next = join(directory, 'next.db');
  const other = sqliteLog({ path: next });
  await other.append([{ address: 'a', data: '"new file"', keep: 'all' }]);
  await other.close?.();
  const log = sqliteLog({ path });
  await log.append([{ address: 'a', data: '"old file"', keep: 'all' }]);
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(next, path);
  const holder = start(HOLDER);
  await holder.until(({ length }) => length === 1);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const resets: string[] = [];
  const reset = new Promise<void>((resolve) => {
    log.tail({
      onEvents: () => undefined,
      onReset: (reason) => {
        resets.push(reason);
        resolve();
      },
      onError: () => undefined,
    });
  });
  // The log checks for a replaced file once a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const append = log.append([{ address: 'a', data: '"later"', keep: 'all' }]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(resets).toEqual([]);
  holder.process.kill('SIGKILL');
  await reset;
  await append;
  // In nanoseconds. A blocking wait would last as long as the lock is held.
  expect(delay.max).toBeLessThan(1_000 * 1e6);
  expect([resets, log.epoch]).toEqual([['epoch'], other.epoch]);
  await log.close?.();
});
