/** Continuity of a page after the back-forward cache (which freezes it), after being hidden, and after a reload. */
import type { Page } from '@playwright/test';
import { test, visibilityOf } from './kit/background-tabs.ts';
import { expect, numbers, recorded, startRecording, stateOf, TRANSPORTS, recordFirst } from './kit/test.ts';

// Playwright turns it off for its own bookkeeping.
test.use({
  launchOptions: [
    async ({ launchOptions }, use) => {
      await use({ ...launchOptions, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    },
    { scope: 'worker' },
  ],
});

async function connectionsOf(origin: string): Promise<number> {
  return Number(await (await fetch(`${origin}/connections`)).text());
}

/** Navigates to another page of the origin: this one is frozen, with its connection. */
async function leave(page: Page, origin: string): Promise<void> {
  await page.evaluate(() => {
    window.addEventListener('pageshow', ({ persisted }) => (document.title = `persisted ${persisted}`));
  });
  await page.goto(`${origin}/plain`);
}

/** Checks that it is the same page, script included: a new one would have another title and no recorder. */
async function comeBack(page: Page): Promise<void> {
  await page.goBack({ waitUntil: 'commit' });
  await expect.poll(() => page.title()).toBe('persisted true');
}

/** Checks that everything from 1 on arrived, once, in order, on both topics, without errors. */
async function expectAll(page: Page, to: number): Promise<void> {
  await expect.poll(async () => (await recorded(page)).room.length).toBe(to);
  await expect.poll(async () => (await recorded(page)).notice.length).toBe(to);
  const { notice, room, errors } = await recorded(page);
  expect(notice).toEqual(numbers(1, to));
  expect(room).toEqual(numbers(1, to));
  expect(errors).toEqual([]);
}

for (const transport of TRANSPORTS) {
  test.describe(`over ${transport}`, () => {
    test('a page restored from the back-forward cache misses no event', async ({ page, scene }) => {
      await recordFirst(page, scene, 20, { transport });
      await leave(page, scene.proxy.origin);
      await scene.server.publish(21, 60);
      await comeBack(page);
      await expectAll(page, 60);
      await scene.server.publish(61, 80);
      await expectAll(page, 80);
      expect(await stateOf(page)).toBe('connected');
    });

    test('a page restored from the back-forward cache reconnects when its connection was cut meanwhile', async ({
      page,
      scene,
    }) => {
      await recordFirst(page, scene, 20, { transport });
      await leave(page, scene.proxy.origin);
      scene.proxy.cut();
      await scene.server.publish(21, 60);
      await comeBack(page);
      await expectAll(page, 60);
      expect((await recorded(page)).states).toContain('reconnecting');
    });

    test('a reloaded page resumes after the last handled event and receives the events published meanwhile', async ({
      page,
      scene,
    }) => {
      await recordFirst(page, scene, 20, { transport, persist: true });
      await page.goto('about:blank');
      await scene.server.publish(21, 60);
      await startRecording(page, scene.proxy.origin, { transport, persist: true });
      await scene.server.publish(61, 80);
      await expect.poll(async () => (await recorded(page)).room.length).toBe(60);
      const { notice, room, errors } = await recorded(page);
      expect(notice).toEqual(numbers(21, 80));
      expect(room).toEqual(numbers(21, 80));
      expect(errors).toEqual([]);
    });

    test('a page with pauseWhenHidden disconnects while it is hidden and resumes when it is visible again', async ({
      userWindow,
      scene,
    }) => {
      const page = await userWindow.newPage();
      await recordFirst(page, scene, 20, { transport, pauseWhenHidden: { graceMs: 100 } });
      await userWindow.newPage();
      await expect.poll(() => visibilityOf(page)).toBe('hidden');
      await expect.poll(() => stateOf(page)).toBe('suspended');
      await expect.poll(() => connectionsOf(scene.proxy.origin)).toBe(0);
      await userWindow.setOffline(true);
      await userWindow.setOffline(false);
      await scene.server.publish(21, 60);
      expect(await stateOf(page)).toBe('suspended');
      expect((await recorded(page)).room).toEqual(numbers(1, 20));
      await page.bringToFront();
      await expect.poll(() => visibilityOf(page)).toBe('visible');
      await expectAll(page, 60);
    });
  });
}
