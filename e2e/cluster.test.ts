/** The cluster example from a visitor's view: a process is killed, and the page counts its events. */
import { expect, killServer, readCounter, readServer, receiveMore, test } from './kit/cluster.ts';

test('with one SQLite log, kill -9 of the process that serves a tab loses and duplicates no event', async ({
  page,
  origin,
}) => {
  await page.goto(origin);
  const first = await readServer(page);
  await receiveMore(page, 8);
  const second = await killServer(page);
  expect(second).not.toBe(first);
  await receiveMore(page, 8);
  // The other one, while the first one has numbers of its second life in the log.
  expect(await killServer(page)).toBe(first);
  await receiveMore(page, 16);
  expect(await readCounter(page, 'Missing')).toBe(0);
  expect(await readCounter(page, 'Doubled')).toBe(0);
  expect(await readCounter(page, 'Gaps announced')).toBe(0);
  await expect(page.locator('#story')).toContainText(`${first} was killed.`);
});

test.describe('with a memory log in each process', () => {
  test.use({ log: 'memory', viewport: { width: 390, height: 844 } });

  test('with a memory log in each process, a gap announces the events that a tab misses', async ({
    page,
    origin,
  }) => {
    await page.goto(origin);
    await receiveMore(page, 8);
    // On a narrow screen, by keyboard: the button keeps the focus while its process is away.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const button = page.getByRole('button', { name: 'Kill alder' });
    await page.keyboard.press('Tab');
    await expect(button).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(button).toHaveAttribute('aria-disabled', 'true');
    await expect(button).toHaveAttribute('aria-disabled', 'false');
    await expect(button).toBeFocused();

    await killServer(page);
    const gap = page.locator('#story .is-gap').first();
    await expect(gap).toHaveText(/Gap: events of (alder|birch) are lost \(epoch\)\.$/);
    await receiveMore(page, 8);
    expect(await readCounter(page, 'Gaps announced')).toBeGreaterThan(0);
    expect(await readCounter(page, 'Missing')).toBe(0);
    expect(await readCounter(page, 'Doubled')).toBe(0);
  });
});
