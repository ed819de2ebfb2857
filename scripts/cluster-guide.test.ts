/** The first cluster of docs/cluster.md runs: its files, as they are in the document, on other ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../e2e/kit/free-port.ts';
import { ROOT } from './lib/command.ts';
import { findProgram } from './lib/find-program.ts';
import { nginxTempPaths } from './lib/nginx.ts';
import { NGINX } from './lib/programs.ts';

/** By name, from the first line of each block. */
function readFiles(): Map<string, string> {
  const text = readFileSync(join(ROOT, 'docs/cluster.md'), 'utf8');
  const blocks = text.matchAll(/^```(?:ts|nginx)\n(?:\/\/|#) ([\w.-]+)\n([\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, name, content]) => [name!, content!]));
}

function start(program: string, args: readonly string[], folder: string, port: number): ChildProcess {
  const env = { ...process.env, PORT: String(port) };
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    // Not SIGKILL: workers of nginx would outlive it, and keep the output of this process open.
    child.kill('SIGTERM');
    await gone;
  });
  return child;
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      socket.destroy();
    }
  }
}

interface Notice {
  readonly id: string;
  readonly process: number;
  readonly n: number;
}

/** Reads notices until `isEnough`, or until the response breaks. */
async function read(
  origin: string,
  isEnough: (notices: readonly Notice[]) => boolean,
  lastEventId?: string,
): Promise<Notice[]> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const response = await fetch(`${origin}/events/notice`, { headers });
  expect(response.status).toBe(200);
  let text = '';
  let notices: Notice[] = [];
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  while (!isEnough(notices)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    const events = text.matchAll(/^id: (.+)\nevent: notice\ndata: (.+)\n\n/gm);
    notices = [...events].map(([, id, data]) => ({ id: id!, ...(JSON.parse(data!) as Omit<Notice, 'id'>) }));
  }
  await reader.cancel();
  return notices;
}

test('the first cluster of docs/cluster.md continues after kill -9 of a process', async () => {
  // Inside the repository, so that its node_modules are found.
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache/cluster-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = readFiles();
  expect([...files.keys()]).toEqual(
    expect.arrayContaining(['cluster-channel.ts', 'cluster-log.ts', 'cluster-server.ts', 'feed.conf']),
  );
  const [front, one, two] = [await freePort(), await freePort(), await freePort()];
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  const conf = files
    .get('feed.conf')!
    .replace(':3001', `:${one}`)
    .replace(':3002', `:${two}`)
    .replace(':8080', `:${front}`);
  expect(conf).toMatch(new RegExp(`:${one} [^]*:${two} [^]*:${front};`));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/nginx.pid; error_log stderr warn; events {}
    http { access_log off; ${nginxTempPaths(folder)} ${conf} }`,
  );

  const first = start(process.execPath, ['cluster-server.ts'], folder, one);
  const second = start(process.execPath, ['cluster-server.ts'], folder, two);
  start(findProgram(NGINX), ['-p', folder, '-c', join(folder, 'nginx.conf')], folder, front);
  await Promise.all([one, two, front].map(listening));

  const origin = `http://127.0.0.1:${front}`;
  const before = await read(origin, (notices) => new Set(notices.map(({ process }) => process)).size === 2);
  const gone = once(first, 'exit');
  first.kill('SIGKILL');
  await gone;
  const last = before.at(-1)!;
  // Meanwhile the other one publishes.
  await read(origin, (notices) => notices.length > 0);
  const isNext = ({ process }: Notice): boolean => process === second.pid;
  const after = await read(origin, (notices) => notices.filter(isNext).length >= 2, last.id);

  const numbers = [...before, ...after].filter(isNext).map(({ n }) => n);
  expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
  expect(after[0]?.id).not.toBe(last.id);
});
