import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { usePrograms } from '../../../../test-kit/programs.ts';
import { sqliteRuns } from './sqlite-runs.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linefeed-runs-'));
  path = join(directory, 'runs.db');
});

afterEach(() => rmSync(directory, { recursive: true }));

/** Killed before the folder is removed. */
const start = usePrograms();

/** Adds its own entries to one record by compare-and-set, and prints each number after its commit. */
const WRITER = `
  import { sqliteRuns } from ${JSON.stringify(new URL('sqlite-runs.ts', import.meta.url).href)};
  const [path, name, count] = process.argv.slice(1);
  const store = sqliteRuns({ path });
  for (let n = 1; n <= Number(count); ) {
    const record = await store.load('k');
    const written = record?.count ?? 0;
    const version = await store.commit('k', {
      expected: record?.version,
      state: '{}',
      count: written + 1,
      leaseMs: 60_000,
      keepMs: 60_000,
      append: { run: 'r', after: written, events: [JSON.stringify({ name, n })] },
    });
    if (version === undefined) continue;
    process.stdout.write(JSON.stringify({ n, version }) + '\\n');
    n += 1;
  }
  await store.close();
`;

async function readAll(): Promise<{ count: number; entries: Array<{ name: string; n: number }> }> {
  const store = sqliteRuns({ path });
  const events = await store.read('k', 'r', 0, { events: 1_000_000, bytes: 1e9 });
  const { count } = (await store.load('k'))!;
  await store.close();
  return { count, entries: events.map((event) => JSON.parse(event) as { name: string; n: number }) };
}

test('compare-and-set by three processes loses and repeats no event of a run', async () => {
  const writers = ['a', 'b', 'c'].map((name) => start(WRITER, path, name, 150));
  expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual([0, 0, 0]);
  const { count, entries } = await readAll();
  expect([count, entries.length]).toEqual([450, 450]);
  for (const name of ['a', 'b', 'c'])
    expect(entries.filter((entry) => entry.name === name).map(({ n }) => n)).toEqual(
      Array.from({ length: 150 }, (_, index) => index + 1),
    );
  const versions = writers.flatMap(({ lines }) =>
    (lines as Array<{ version: number }>).map(({ version }) => version),
  );
  expect(new Set(versions).size).toBe(450);
});

test('each commit that a process had acknowledged is kept after SIGKILL, and another process goes on', async () => {
  const killed = start(WRITER, path, 'killed', Number.MAX_SAFE_INTEGER);
  const other = start(WRITER, path, 'other', 300);
  await killed.until(({ length }) => length >= 50);
  killed.process.kill('SIGKILL');
  await killed.ended;
  expect(await other.ended).toBe(0);
  const { count, entries } = await readAll();
  expect(entries).toHaveLength(count);
  const kept = entries.filter(({ name }) => name === 'killed');
  // The last commit may be without its line.
  expect(kept.length - killed.lines.length).toBeOneOf([0, 1]);
  expect(entries.filter(({ name }) => name === 'other')).toHaveLength(300);
});
