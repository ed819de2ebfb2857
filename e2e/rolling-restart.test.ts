/** Two servers with a real nginx in front are replaced one after the other, and killed, under steady publishing. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import type { Recorder, Seen } from './kit/app.ts';
import { startNginx } from './kit/nginx.ts';
import { startServer, type ServerOptions, type ServerProcess } from './kit/server-process.ts';
import { expect, numbers, recorded, startRecording, test as base, TRANSPORTS } from './kit/test.ts';

interface Cluster {
  readonly origin: string;
  readonly servers: ServerProcess[];
  /** Replaces an ended server by a new one. */
  replace(index: number, options?: ServerOptions): Promise<void>;
}

interface Fixtures {
  /** The servers' `log`: one file for both, or a separate memory for each. */
  readonly log: 'sqlite' | 'memory';
  readonly cluster: Cluster;
}

const test = base.extend<Fixtures>({
  log: ['sqlite', { option: true }],
  async cluster({ bundle, log }, use) {
    const directory = await mkdtemp(join(tmpdir(), 'linefeed-e2e-'));
    const logPath = log === 'sqlite' ? join(directory, 'log.db') : '';
    const options = { bundle, logPath };
    const servers = [await startServer(options), await startServer(options)];
    const nginx = await startNginx(servers.map(({ port }) => port));
    await use({
      origin: nginx.origin,
      servers,
      async replace(index, changed) {
        servers[index] = await startServer({ ...options, ...changed, port: servers[index]!.port });
      },
    });
    await nginx.close();
    await Promise.all(servers.map((server) => server.kill()));
    await rm(directory, { recursive: true, force: true });
  },
});

for (const transport of TRANSPORTS) {
  test.describe(`over ${transport}`, () => {
    test('a rolling restart of two servers on one log loses and duplicates no event', async ({
      page,
      cluster,
    }) => {
      await startRecording(page, cluster.origin, { transport });
      await replaceEach(cluster, (server) => server.drain(500));
      expect((await expectEach(page, 400)).errors).toEqual([]);
    });

    test('kill -9 of one of two servers on one log loses and duplicates no event', async ({
      page,
      cluster,
    }) => {
      await startRecording(page, cluster.origin, { transport });
      await replaceEach(cluster, async (server, from) => {
        await expect.poll(async () => (await recorded(page)).room.length).toBeGreaterThan(from + 50);
        await server.kill();
      });
      await expectEach(page, 400);
    });

    test.describe('with a memory log in each server', () => {
      test.use({ log: 'memory' });

      test('a gap announces the events that a killed server with a memory log loses', async ({
        page,
        cluster,
      }) => {
        const { servers } = cluster;
        await startRecording(page, cluster.origin, { transport });
        // Both publish the same, each to its own log.
        const publishing = Promise.all(
          servers.map((server) => server.publish(1, 300, 10).catch(() => 'killed')),
        );
        await expect.poll(async () => (await recorded(page)).room.length).toBeGreaterThan(50);
        await servers[0]!.kill();
        await cluster.replace(0, { run: 'second' });
        await expect.poll(async () => (await recorded(page)).room.length).toBeGreaterThan(100);
        await servers[1]!.kill();
        await cluster.replace(1, { run: 'third' });
        await publishing;
        await Promise.all([servers[0]!.publish(1, 20, 5), servers[1]!.publish(1, 20, 5)]);
        await expect
          .poll(async () => (await recorded(page)).room.findLast((seen) => 'n' in seen))
          .toMatchObject({ n: 20 });
        expect(unannounced((await recorded(page)).room)).toEqual([]);
        expect(unannounced((await recorded(page)).notice)).toEqual([]);
        expect((await recorded(page)).room.some((seen) => 'gap' in seen)).toBe(true);
      });
    });
  });
}

/** Ends and replaces one server after the other, while the other one publishes 200 events from `from` on. */
async function replaceEach(
  { servers, replace }: Cluster,
  end: (server: ServerProcess, from: number) => Promise<void>,
): Promise<void> {
  for (const [index, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const from = index * 200;
    const publishing = servers[other]!.publish(from + 1, from + 200, 10);
    await end(servers[index]!, from);
    await replace(index);
    await publishing;
  }
}

/** Waits for the last event, and expects each one once and in order. */
async function expectEach(page: Page, last: number): Promise<Omit<Recorder, 'client'>> {
  await expect.poll(async () => (await recorded(page)).room.length).toBe(last);
  const all = await recorded(page);
  expect(all.notice).toEqual(numbers(1, last));
  expect(all.room).toEqual(numbers(1, last));
  return all;
}

/** Events that do not follow the previous one, without a gap in between. */
function unannounced(seen: readonly Seen[]): Seen[] {
  return seen.filter((entry, index) => {
    const before = seen[index - 1];
    if (before === undefined || 'gap' in entry || 'gap' in before) return false;
    return entry.run !== before.run || entry.n !== before.n + 1;
  });
}
