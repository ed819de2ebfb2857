import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../../test-kit/cluster-worker.ts', import.meta.url));

/** Runs two feeds in each worker, and returns the warnings of all processes. */
async function warningsOf(args: readonly string[], env: Record<string, string> = {}): Promise<string[]> {
  const child = spawn(process.execPath, ['--no-warnings', PROGRAM, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return output.split('\n').filter((line) => line !== '');
}

function warning(worker: string): string {
  return `linefeed: this process is ${worker}, and its feed uses memoryLog: clients of the other processes do not get its events. Use a log that all processes share: redisLog, postgresLog or natsLog, or sqliteLog on one machine.`;
}

test('each worker of a cluster after the first warns once that memoryLog is not shared', async () => {
  expect(await warningsOf(['2'])).toEqual([warning('worker 2 of node:cluster')]);
});

test('the only worker of a cluster does not warn about memoryLog', async () => {
  expect(await warningsOf(['1'])).toEqual([]);
});

test('workers of a cluster that share a file do not warn', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'linefeed-cluster-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  expect(await warningsOf(['2', join(directory, 'events.db')])).toEqual([]);
});

test('a second instance of PM2 warns once that memoryLog is not shared, and a first one does not', async () => {
  expect(await warningsOf(['0'], { NODE_APP_INSTANCE: '1' })).toEqual([warning('instance 1 of PM2')]);
  expect(await warningsOf(['0'], { NODE_APP_INSTANCE: '0' })).toEqual([]);
});
