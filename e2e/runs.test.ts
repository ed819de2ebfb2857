/** Pages read runs of a real feed with the client, alone and in tabs that share a connection. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFeed } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { expect, test as base, type Page } from '@playwright/test';
import { bundle } from './kit/bundle.ts';
import { startChaosProxy, type ChaosProxy } from './kit/chaos-proxy.ts';
import { runBoard } from './kit/run-board.ts';
import type { RunsPage, RunsPageOptions } from './kit/runs-app.ts';

const HTML = `<!doctype html><meta charset="utf-8"><title>e2e</title><script type="module" src="/app.js"></script>`;
const chat = { chat: '1' };

function open() {
  return createFeed(runBoard, { retryMs: 20, stopFromClients: true, authorize: () => true });
}

interface Served {
  readonly feed: ReturnType<typeof open>;
  readonly proxy: ChaosProxy;
}

const test = base.extend<{ readonly served: Served }, { readonly script: string }>({
  script: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use, { workerIndex }) => {
      await use(readFileSync(await bundle('kit/runs-app.ts', `runs-${workerIndex}`), 'utf8'));
    },
    { scope: 'worker' },
  ],
  async served({ script }, use) {
    const feed = open();
    const handle = toNodeHandler(feed);
    const server = createServer((req, res) =>
      handle(req, res, () => {
        const isScript = req.url === '/app.js';
        res.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
        res.end(isScript ? script : HTML);
      }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = await startChaosProxy((server.address() as AddressInfo).port);
    await use({ feed, proxy });
    await proxy.close();
    await feed.close();
    server.closeAllConnections();
    server.close();
  },
});

async function openPage(page: Page, { proxy }: Served, options: RunsPageOptions): Promise<void> {
  await page.goto(proxy.origin);
  await page.evaluate((given) => void (window.runs = window.openRuns(given)), options);
}

const lists = (page: Page): Promise<RunsPage['lists']> => page.evaluate(() => window.runs.lists);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Starts a run that makes events until it has made all of them, or is stopped. */
async function play({ feed }: Served, count: number, everyMs = 2): Promise<string> {
  const { run } = await feed.start('answer', chat, async function* ({ signal }) {
    for (let n = 1; n <= count && !signal.aborted; n += 1) {
      yield { n };
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return { count };
  });
  return run;
}

/** Resolves when no run is running. */
async function ended({ feed }: Served): Promise<void> {
  await expect
    .poll(async () => (await feed.runs('answer', chat)).filter(({ status }) => status !== 'ended'))
    .toEqual([]);
}

for (const transport of ['fetch', 'EventSource'] as const) {
  test(`over ${transport}, a client gets each event and end of several runs once, over cut connections`, async ({
    page,
    served,
  }) => {
    const { feed, proxy } = served;
    await openPage(page, served, { transport });
    await page.evaluate(() => window.runs.follow('first', 'start'));
    let bytes = 0;
    proxy.set({ type: 'cut', bytes: () => 800 + ((bytes += 211) % 3_000) });
    proxy.cut();
    for (let round = 1; round <= 3; round += 1) {
      await play(served, 150);
      if (round === 2) await page.evaluate(() => window.runs.follow('second', 'start'));
      await feed.publish('notice', round);
      await ended(served);
    }
    const whole = [...numbers(150), 'done 150'];
    await expect.poll(async () => (await lists(page))['first']).toEqual([...whole, ...whole, ...whole]);
    await expect.poll(async () => (await lists(page))['second']).toEqual([...whole, ...whole]);
    expect(proxy.faults).toBeGreaterThan(10);
    await expect.poll(() => page.evaluate(() => window.runs.notices)).toEqual([1, 2, 3]);
    proxy.set({ type: 'none' });
    await page.evaluate(() => window.runs.loop('third', 'start'));
    await expect.poll(async () => (await lists(page))['third']).toEqual([...numbers(150), 'done']);
    expect(await page.evaluate(() => window.runs.errors.filter((code) => code !== 'network'))).toEqual([]);
  });
}

test('tabs share one copy of a run, a late tab gets all of it, and any tab stops it', async ({
  context,
  served,
}) => {
  const { feed, proxy } = served;
  const options = { transport: 'fetch', identity: 'ada' } as const;
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    await openPage(tab, served, options);
    await tab.evaluate(() => window.runs.follow('all', 'start'));
  }
  const run = await play(served, 100_000, 5);
  await expect.poll(async () => (await lists(tabs[1]!))['all']?.length).toBeGreaterThan(20);
  const late = await context.newPage();
  await openPage(late, served, options);
  await late.evaluate(() => window.runs.follow('all', 'start'));
  await expect.poll(async () => (await lists(late))['all']?.length).toBeGreaterThan(20);
  // The leader leaves in the middle of the run.
  await tabs[0]!.close();
  const seen = (await lists(late))['all']!.length;
  await expect.poll(async () => (await lists(late))['all']?.length).toBeGreaterThan(seen + 20);
  expect(feed.stats().connections).toBe(1);
  const opened = proxy.opened;
  expect(await late.evaluate(() => window.runs.stop('enough'))).toEqual({ run, outcome: 'stopped' });
  for (const tab of [tabs[1]!, late]) {
    await expect.poll(async () => (await lists(tab))['all']?.at(-1)).toBe('enough');
    const list = (await lists(tab))['all']!;
    expect(list.slice(0, -1)).toEqual(numbers(list.length - 1));
  }
  expect(proxy.opened - opened).toBe(1);
});
