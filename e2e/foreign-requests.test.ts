/** A page without a script gets nothing from a feed. */
import { expect, test } from './kit/test.ts';

test('a feed refuses an image, a script, a frame and a navigation, and serves fetch and EventSource', async ({
  page,
  scene,
}) => {
  const { origin } = scene.proxy;
  await page.goto(`${origin}/plain`);
  for (const tag of ['img', 'script', 'iframe']) {
    const url = `${origin}/events/notice?by=${tag}`;
    const answered = page.waitForResponse(url);
    await page.evaluate(
      ([name, src]) => document.body.append(Object.assign(document.createElement(name!), { src })),
      [tag, url],
    );
    expect([tag, (await answered).status()]).toEqual([tag, 403]);
  }
  const status = await page.evaluate(async (url) => {
    const controller = new AbortController();
    const response = await fetch(url, { signal: controller.signal });
    controller.abort();
    return response.status;
  }, `${origin}/events/notice?by=fetch`);
  expect(status).toBe(200);
  // The page itself has opened an EventSource.
  await scene.server.publish(1, 1);
  await expect.poll(() => page.evaluate(() => window.seen)).toEqual([1]);
  const navigated = await page.goto(`${origin}/events/notice`);
  expect([navigated!.status(), await navigated!.text()]).toEqual([403, expect.stringContaining('curl')]);
});
