/** Tabs as a user has them: those behind the one in front are hidden and throttled, and freeze where they are told to. */
import type { BrowserContext, Page } from '@playwright/test';
import { freePort } from './free-port.ts';
import { expect, test as base } from './test.ts';

/** Playwright keeps tabs awake that nobody sees. */
const KEEPS_AWAKE = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** What a page that is watched was told, and when a timer of 50 ms ran, in milliseconds of the page's life. */
interface Life {
  readonly told: { readonly type: string; readonly at: number }[];
  readonly ticks: number[];
}

declare global {
  interface Window {
    life: Life;
  }
}

export const test = base.extend<{
  /** One window of a browser of its own: the tab that was opened last is in front. */
  readonly userWindow: BrowserContext;
}>({
  async userWindow({ playwright, launchOptions }, use) {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const browser = await playwright.chromium.launch({
      ...launchOptions,
      args: [...(launchOptions.args ?? []), `--remote-debugging-port=${port}`],
      ignoreDefaultArgs: KEEPS_AWAKE,
    });
    // Chromium opens the port beside the pipe that Playwright has waited for.
    const isOpen = async (): Promise<boolean> => (await fetch(`${origin}/json/version`)).ok;
    await expect.poll(() => isOpen().catch(() => false)).toBe(true);
    // In what Playwright launches, each page has the focus, and with it is visible.
    const user = await playwright.chromium.connectOverCDP(origin, { noDefaults: true });
    await use(user.contexts()[0]!);
    await user.close();
    await browser.close();
  },
});

export async function watchLife(tab: Page): Promise<void> {
  await tab.evaluate(() => {
    const { told, ticks } = (window.life = { told: [], ticks: [performance.now()] } as Life);
    setInterval(() => ticks.push(performance.now()), 50);
    for (const type of ['freeze', 'resume'])
      document.addEventListener(type, () => told.push({ type, at: performance.now() }));
  });
}

/** What happened to it in order, the longest time without a timer, and how long ago the last event was. */
export async function lifeOf(
  tab: Page,
): Promise<{ readonly told: string[]; readonly longestGapMs: number; readonly sinceMs: number }> {
  const { told, ticks, now } = await tab.evaluate(() => ({ ...window.life, now: performance.now() }));
  return {
    told: told.map(({ type }) => type),
    longestGapMs: Math.max(...ticks.slice(1).map((at, index) => at - ticks[index]!)),
    sinceMs: now - (told.at(-1)?.at ?? now),
  };
}

/** As a browser does it with a hidden tab; resolves with what lets it run again. */
export async function freeze(tab: Page): Promise<() => Promise<void>> {
  const session = await tab.context().newCDPSession(tab);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  return async () => {
    await session.send('Page.setWebLifecycleState', { state: 'active' });
  };
}

export async function visibilityOf(tab: Page): Promise<string> {
  return await tab.evaluate(() => document.visibilityState);
}
