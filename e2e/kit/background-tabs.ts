/** Tabs of a real user: tabs in the background are hidden and throttled, and freeze on request. */
import type { BrowserContext, Page } from '@playwright/test';
import { freePort } from './free-port.ts';
import { expect, test as base } from './test.ts';

/** Playwright keeps background tabs awake with these flags. */
const KEEPS_AWAKE = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** The lifecycle events of a watched page, and the times of a 50 ms timer, in milliseconds since the page's start. */
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
  /** One window of a separate browser: the tab that was opened last is in front. */
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
    // Chromium opens the port in addition to the pipe for which Playwright has waited.
    const isOpen = async (): Promise<boolean> => (await fetch(`${origin}/json/version`)).ok;
    await expect.poll(() => isOpen().catch(() => false)).toBe(true);
    // In a browser that Playwright launches, each page has the focus, and is therefore visible.
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

/** Its lifecycle events in order, the longest time without a timer, and the time since the last event. */
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

/** Freezes a hidden tab as a browser does; resolves with a function that resumes it. */
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
