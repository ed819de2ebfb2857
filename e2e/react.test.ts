/** The React example in two windows: state by REST and then followed, a chat, a stream, over one connection. */
import { resolve } from 'node:path';
import { expect, test as base, type Page } from '@playwright/test';
import { build } from 'vite';
import { startExample } from './kit/example.ts';

const APP = resolve('examples/react');

interface App {
  readonly origin: string;
  /** Kills the server and starts it again on its port: its memory is lost, its log too. */
  readonly restart: () => Promise<void>;
}

const test = base.extend<{ readonly app: App }, { readonly pages: string }>({
  pages: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use, { workerIndex }) => {
      const outDir = resolve(`.cache/e2e/react-${workerIndex}`);
      // A development build: StrictMode mounts everything twice.
      await build({
        root: APP,
        mode: 'development',
        logLevel: 'error',
        build: { outDir, emptyOutDir: true },
      });
      await use(outDir);
    },
    { scope: 'worker' },
  ],
  async app({ pages }, use) {
    let server = await startExample('react', pages, '0');
    const { origin } = server;
    await use({
      origin,
      async restart() {
        await server.stop();
        server = await startExample('react', pages, new URL(origin).port);
      },
    });
    await server.stop();
  },
});

/** Opens the page; returns it with its responses of the feed and its requests for the state. */
async function open(page: Page, { origin }: App) {
  const feeds: string[] = [];
  const reads: string[] = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    const isFeed = response.headers()['content-type']?.startsWith('text/event-stream');
    if (pathname === '/events' && isFeed) feeds.push(response.url());
    if (pathname === '/api/orders' && response.request().method() === 'GET') reads.push(response.url());
  });
  await page.goto(origin);
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  return { feeds, reads };
}

const orders = (page: Page) => page.locator('.orders li');
const lines = (page: Page) => page.locator('.chat ol li');

test('two windows show live orders, chat and plan over one connection', async ({ app, context }) => {
  const [ours, theirs] = [await context.newPage(), await context.newPage()];
  const { feeds, reads } = await open(ours, app);
  const { feeds: theirFeeds } = await open(theirs, app);
  await expect(orders(theirs)).toHaveCount(3);

  await ours.getByLabel('New order').fill('6 baguettes');
  await ours.getByRole('button', { name: 'Add' }).click();
  await expect(orders(theirs)).toHaveCount(4);
  await theirs.getByLabel('6 baguettes').click();
  await expect(ours.getByLabel('6 baguettes')).toBeChecked();

  for (const text of ['one', 'two', 'three']) {
    await ours.getByLabel('Say in the kitchen').fill(text);
    await ours.getByRole('button', { name: 'Say' }).click();
  }
  await expect(lines(theirs)).toHaveText(['Ada one', 'Ada two', 'Ada three']);
  await theirs.getByRole('radio', { name: 'counter' }).click();
  await expect(lines(theirs)).toHaveText(['No messages in the counter yet.']);
  await theirs.getByRole('radio', { name: 'kitchen' }).click();
  await expect(lines(theirs)).toHaveText(['Ada one', 'Ada two', 'Ada three']);

  await ours.getByRole('button', { name: 'Make a plan' }).click();
  await expect(ours.getByText('That is all.')).toBeVisible();
  const plan = ['4:00 Heat the ovens', '4:30 40 rolls, school kitchen', '5:00 Plum cake, Mrs Lindqvist'];
  await expect(ours.locator('.plan li')).toHaveText([...plan, '5:30 Clean the tables', '6:00 Open the shop']);
  // The two windows share one connection.
  expect([feeds.length, theirFeeds.length]).toEqual([1, 0]);
  // At most 2: StrictMode mounts the page twice, and the first fetch is aborted.
  expect(reads.length).toBeLessThanOrEqual(2);
});

test('a page fetches the orders again after a gap and follows them from there', async ({ app, page }) => {
  const { reads } = await open(page, app);
  await page.getByLabel('Plum cake, Mrs Lindqvist').click();
  await expect(page.getByLabel('Plum cake, Mrs Lindqvist')).toBeChecked();
  const before = reads.length;
  await app.restart();
  // The new server does not have the change.
  await expect(page.getByLabel('Plum cake, Mrs Lindqvist')).not.toBeChecked();
  expect(reads.length).toBe(before + 1);
  await page.getByLabel('40 rolls, school kitchen').click();
  await expect(page.getByLabel('40 rolls, school kitchen')).toBeChecked();
  expect(reads.length).toBe(before + 1);
});

test('each form stays on one line on a narrow page', async ({ app, page }) => {
  await page.setViewportSize({ width: 320, height: 700 });
  await open(page, app);
  const lines = await page
    .locator('form')
    .evaluateAll((forms) =>
      forms.map((form) => new Set([...form.children].map((child) => child.getBoundingClientRect().top)).size),
    );
  expect(lines).toEqual([1, 1]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
});
