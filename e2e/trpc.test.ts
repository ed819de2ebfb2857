/**
 * A tRPC app with twenty subscriptions over HTTP/1.1: all live over linefeedLink, six over the link that tRPC ships.
 */
import { resolve } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { build } from 'vite';
import { startExample, type ExampleServer } from './kit/example.ts';

const APP = resolve('examples/trpc');

async function startApp(name: string): Promise<ExampleServer> {
  const outDir = resolve(`.cache/e2e/trpc-${name}`);
  await build({ root: APP, logLevel: 'error', build: { outDir, emptyOutDir: true } });
  return await startExample('trpc', outDir);
}

/** Subscriptions that have received something. */
async function countLive(page: Page): Promise<number> {
  return await page.locator('li:not([data-n=""])').count();
}

test('twenty subscriptions over HTTP/1.1 are all live with linefeedLink, and only six with the stock link', async ({
  context,
}, { workerIndex }) => {
  const app = await startApp(String(workerIndex));
  try {
    const ours = await context.newPage();
    await ours.goto(`${app.origin}/`);
    await expect.poll(() => countLive(ours)).toBe(20);
    await expect(ours.locator('li[data-status="pending"]')).toHaveCount(20);
    await expect(ours.getByText('A query, over tRPC as ever.')).toBeVisible();
    // Live, not only once.
    await expect.poll(() => ours.locator('li').last().getAttribute('data-n').then(Number)).toBeGreaterThan(3);
    await ours.close();

    const stock = await context.newPage();
    await stock.goto(`${app.origin}/?link=stock`, { waitUntil: 'commit' });
    await expect.poll(() => countLive(stock)).toBe(6);
    await expect
      .poll(() => stock.locator('li').first().getAttribute('data-n').then(Number))
      .toBeGreaterThan(5);
    expect(await countLive(stock)).toBe(6);
    await expect(stock.locator('li[data-status="connecting"]')).toHaveCount(14);
  } finally {
    await app.stop();
  }
});
