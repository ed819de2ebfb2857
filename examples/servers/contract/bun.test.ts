import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../../scripts/lib/find-program.ts';
import {
  buildPackage,
  installTarballs,
  readPackages,
  type Installation,
} from '../../../scripts/lib/packages.ts';
import { BUN } from '../../../scripts/lib/programs.ts';
import { askOver1, EventReader } from './client.ts';

const EXAMPLE = ['bun.ts', 'channel.ts', 'countdown.ts', 'feed.ts', 'fetch.ts', 'life.ts'];
const SETUP_TIMEOUT_MS = 180_000;

describe('the published packages on Bun', () => {
  let installation: Installation;
  let origin: string;
  let stop: () => Promise<unknown>;

  beforeAll(async () => {
    const packages = readPackages().filter(({ name }) => name !== '@linefeed/client');
    for (const each of packages) {
      const { ok, output } = await buildPackage(each);
      expect(ok, output).toBe(true);
    }
    installation = await installTarballs(packages);
    const { folder } = installation;
    const here = join(import.meta.dirname, '..');
    for (const file of EXAMPLE) copyFileSync(join(here, file), join(folder, file));
    symlinkSync(join(here, 'node_modules/zod'), join(folder, 'node_modules/zod'), 'dir');
    const bun = spawn(findProgram(BUN), ['bun.ts'], {
      cwd: folder,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      // It may be a shell around the program: both get the signal.
      detached: true,
    });
    const exited = once(bun, 'exit');
    stop = () => {
      process.kill(-bun.pid!, 'SIGTERM');
      return exited;
    };
    const [line] = (await once(bun.stdout.setEncoding('utf8'), 'data')) as [string];
    origin = /http:\/\/localhost:\d+/.exec(line)![0];
  }, SETUP_TIMEOUT_MS);

  afterAll(async () => {
    await stop?.();
    installation?.remove();
  }, SETUP_TIMEOUT_MS);

  it('a Bun server sends an event stream and resumes it', async () => {
    const reader = new EventReader((await askOver1(origin)('/countdown'))!);
    await reader.event();
    reader.reading.leave();
    const resumed = new EventReader(
      (await askOver1(origin)('/countdown', { headers: { 'last-event-id': '3' } }))!,
    );
    expect(await resumed.rest()).toBe(
      ': \nretry: 2000\n\nid: 2\ndata: {"left":2}\n\nid: 1\ndata: {"left":1}\n\n',
    );
  });

  it('a Bun server answers 406 to an unacceptable Accept, and answers HEAD', async () => {
    const refused = (await askOver1(origin)('/countdown', { headers: { accept: 'text/html, */*;q=0' } }))!;
    expect(refused.status).toBe(406);
    refused.leave();
    const head = (await askOver1(origin)('/countdown', { method: 'HEAD' }))!;
    expect([head.status, head.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    head.leave();
  });

  it('a Bun server serves a feed', async () => {
    const reader = new EventReader((await askOver1(origin)('/events/notice'))!);
    await reader.until(({ events }) => events.filter(({ event }) => event === 'notice').length >= 2);
    expect(reader.events.slice(0, 3).map(({ event }) => event)).toEqual([
      'linefeed.hello',
      'linefeed.subscribed',
      'notice',
    ]);
    reader.reading.leave();
  });
});
