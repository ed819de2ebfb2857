/** The chat example: reload in mid-answer, a second tab, stop, and a killed server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test as base, type Page } from '@playwright/test';
import { build } from 'vite';
import { startExample } from './kit/example.ts';

const APP = resolve('examples/chat');

interface App {
  readonly origin: string;
  /** Kills the server, and starts it again on its port and its files. */
  readonly restart: () => Promise<void>;
}

const test = base.extend<{ readonly app: App }, { readonly pages: string }>({
  pages: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use, { workerIndex }) => {
      const outDir = resolve(`.cache/e2e/chat-${workerIndex}`);
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
    const data = mkdtempSync(join(tmpdir(), 'linefeed-chat-'));
    const env = { DATA: data, PACE_MS: '60' };
    let server = await startExample('chat', pages, '0', env);
    const { origin } = server;
    await use({
      origin,
      async restart() {
        await server.stop();
        server = await startExample('chat', pages, new URL(origin).port, env);
      },
    });
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  },
});

const answers = (page: Page) => page.locator('.assistant');
const status = (page: Page) => page.getByRole('status');

/** The text of the newest answer. */
const textOf = async (page: Page) => (await answers(page).last().textContent()) ?? '';

async function ask(page: Page): Promise<void> {
  await page.getByLabel('Your question').fill('What does a lighthouse do?');
  await page.getByRole('button', { name: 'Ask' }).click();
}

/** Waits until the answer has at least this many characters. */
async function untilLong(page: Page, length: number): Promise<string> {
  await expect.poll(async () => (await textOf(page)).length).toBeGreaterThan(length);
  return textOf(page);
}

test('an answer goes on through two reloads, and is whole and not doubled', async ({ app, page }) => {
  await page.goto(`${app.origin}#a`);
  await ask(page);
  for (const length of [40, 160]) {
    const before = await untilLong(page, length);
    await page.reload();
    const after = await untilLong(page, before.length);
    expect(after.startsWith(before)).toBe(true);
    await expect(answers(page)).toHaveCount(1);
    await expect(page.locator('.user')).toHaveCount(1);
  }
  await expect(status(page)).toHaveText('Ready', { timeout: 30_000 });
  const whole = await textOf(page);
  expect(whole).toMatch(/^A lighthouse shows the same light to every ship\..*the light went out\.$/s);
  await page.reload();
  await expect(answers(page)).toHaveText([whole]);
  await expect(status(page)).toHaveText('Ready');
});

test('an idle second tab shows the question and the answer of the first, and stops it for both', async ({
  app,
  context,
}) => {
  const [ours, theirs] = [await context.newPage(), await context.newPage()];
  await ours.goto(`${app.origin}#b`);
  await theirs.goto(`${app.origin}#b`);
  await expect(status(theirs)).toHaveText('Ready');
  await ask(ours);
  await untilLong(theirs, 40);
  await expect(theirs.locator('.user')).toHaveText(['What does a lighthouse do?']);
  await theirs.getByRole('button', { name: 'Stop' }).click();
  for (const page of [ours, theirs]) await expect(status(page)).toHaveText('Ready');
  const text = await textOf(ours);
  expect(text.length).toBeLessThan(600);
  await expect(answers(theirs)).toHaveText([text]);
  await ours.reload();
  await expect(answers(ours)).toHaveText([text]);
});

test('a killed server ends the answer with an error in each tab, and the next question is answered', async ({
  app,
  context,
}) => {
  const [ours, theirs] = [await context.newPage(), await context.newPage()];
  await ours.goto(`${app.origin}#c`);
  await ask(ours);
  const before = await untilLong(ours, 40);
  await theirs.goto(`${app.origin}#c`);
  await untilLong(theirs, before.length);
  await app.restart();
  for (const page of [ours, theirs]) {
    await expect(page.getByRole('alert')).toHaveText('The answer was interrupted.', { timeout: 20_000 });
    await expect(status(page)).toHaveText('Interrupted');
  }
  expect((await textOf(ours)).startsWith(before)).toBe(true);
  await ask(ours);
  await expect(answers(ours)).toHaveCount(2);
  await untilLong(ours, 40);
  await ours.getByRole('button', { name: 'Stop' }).click();
  await expect(status(ours)).toHaveText('Ready');
});
