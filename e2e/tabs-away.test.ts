/**
 * A leading tab that is in the back-forward cache, is frozen, or hangs: the others continue, and it resumes later.
 */
import type { Page } from '@playwright/test';
import { freeze, lifeOf, test, visibilityOf, watchLife } from './kit/background-tabs.ts';
import { watchSlowness } from './kit/slowness.ts';
import { expectWhole, findLeader, longestSilenceMs, openTabs } from './kit/tabs.ts';
import { expect, recorded } from './kit/test.ts';

const TIMEOUT_MS = 1_500;
/** After the timeout: the reconnect (0.5 s), the wait for the leader's answer (1.25 s), and the opening. */
const TAKEOVER_MS = TIMEOUT_MS + 2_750;
/** Longer than that: a tab that waits for the end of the hang is too late. */
const HANG_MS = TAKEOVER_MS + 1_500;
/** For takeovers that need no timeout. */
const AT_ONCE_MS = 1_500;
const EVENTS = 450;
const FROZEN_MS = 2_000;

/** Waits for the last event, and expects as many events as were published. */
async function expectCount(tab: Page): Promise<void> {
  await expect.poll(async () => (await recorded(tab)).room.length).toBe(EVENTS);
  const { notice, room } = await recorded(tab);
  expect([notice.length, room.length]).toEqual([EVENTS, EVENTS]);
}

test('a leader tab in the back-forward cache is replaced at once and later resumes after its own last event', async ({
  playwright,
  launchOptions,
  scene,
}) => {
  const browser = await playwright.chromium.launch({
    ...launchOptions,
    // Playwright turns the cache off by default.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
  try {
    const origin = `http://127.0.0.1:${scene.server.port}`;
    const tabs = await openTabs(await browser.newContext(), origin, 3);
    const leader = tabs[await findLeader(tabs)]!;
    const others = tabs.filter((tab) => tab !== leader);
    await leader.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => (document.title = `back: ${persisted}`));
    });
    const slowness = watchSlowness();
    const publishing = scene.server.publish(1, EVENTS, 10);
    await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
    await leader.goto(`${origin}/connections`);
    const goneAt = (await recorded(others[0]!)).notice.length;
    await expect.poll(async () => (await recorded(others[0]!)).notice.length).toBeGreaterThan(goneAt + 20);
    await leader.goBack({ waitUntil: 'commit' });
    await expect.poll(async () => await leader.title()).toBe('back: true');
    await publishing;
    for (const tab of tabs) await expectCount(tab);
    const factor = slowness();
    for (const tab of others) {
      await expectWhole(tab, 1, EVENTS);
      expect(await longestSilenceMs(tab)).toBeLessThan(AT_ONCE_MS * factor);
    }
    await expectWhole(leader, 1, EVENTS);
  } finally {
    await browser.close();
  }
});

test('a frozen leader tab is replaced at once and receives every event after the browser resumes it', async ({
  userWindow,
  scene,
}) => {
  const tabs = await openTabs(userWindow, `http://127.0.0.1:${scene.server.port}`, 3);
  const leader = tabs[await findLeader(tabs)]!;
  const others = tabs.filter((tab) => tab !== leader);
  // A browser does not freeze a visible tab.
  await expect.poll(() => visibilityOf(leader)).toBe('hidden');
  await watchLife(leader);
  const slowness = watchSlowness();
  const publishing = scene.server.publish(1, EVENTS, 10);
  await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
  const resume = await freeze(leader);
  await expect.poll(async () => (await lifeOf(leader)).sinceMs).toBeGreaterThan(FROZEN_MS);
  expect((await lifeOf(leader)).told).toEqual(['freeze']);
  const had = (await recorded(leader)).notice.length;
  for (const tab of others)
    await expect
      .poll(async () => (await recorded(tab)).notice.length)
      .toBeGreaterThanOrEqual(Math.min(had + 100, EVENTS));
  await resume();
  await publishing;
  for (const tab of tabs) {
    await expect.poll(async () => (await recorded(tab)).room.length).toBe(EVENTS);
    await expectWhole(tab, 1, EVENTS);
  }
  const factor = slowness();
  for (const tab of others) expect(await longestSilenceMs(tab)).toBeLessThan(AT_ONCE_MS * factor);
  const { told, longestGapMs } = await lifeOf(leader);
  expect(told).toEqual(['freeze', 'resume']);
  // Timers of a running hidden tab are a second apart.
  expect(longestGapMs).toBeGreaterThan(FROZEN_MS);
});

test.describe('with a short timeout', () => {
  test.use({ serverOptions: { pingMs: 500, timeoutMs: TIMEOUT_MS } });

  test('a leader tab whose event loop is blocked is replaced after the timeout', async ({
    context,
    scene,
  }) => {
    const slowness = watchSlowness();
    const tabs = await openTabs(context, `http://127.0.0.1:${scene.server.port}`, 3);
    const leader = tabs[await findLeader(tabs)]!;
    const others = tabs.filter((tab) => tab !== leader);
    const publishing = scene.server.publish(1, EVENTS, 10);
    await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
    const hanging = leader.evaluate((ms) => {
      const until = performance.now() + ms;
      while (performance.now() < until);
    }, HANG_MS);
    await publishing;
    await hanging;
    for (const tab of tabs) await expectCount(tab);
    const factor = slowness();
    for (const tab of others) {
      const silenceMs = await longestSilenceMs(tab);
      expect(silenceMs).toBeGreaterThan(TIMEOUT_MS);
      expect(silenceMs).toBeLessThan(TAKEOVER_MS * factor);
    }
  });
});
