/** The cluster example with its log on Redis: a process is killed, and the page counts its events. */
import { expect, killServer, readCounter, receiveMore, test } from './kit/cluster.ts';

test.use({ log: 'redis' });

test('with one log on Redis, kill -9 of the process that serves a tab loses and duplicates no event', async ({
  page,
  origin,
}) => {
  await page.goto(origin);
  await receiveMore(page, 8);
  await killServer(page);
  await receiveMore(page, 8);
  await killServer(page);
  await receiveMore(page, 16);
  await expect(page.locator('#log')).toHaveText(/^Redis at 127\.0\.0\.1:\d+$/);
  expect(await readCounter(page, 'Missing')).toBe(0);
  expect(await readCounter(page, 'Doubled')).toBe(0);
  expect(await readCounter(page, 'Gaps announced')).toBe(0);
});
