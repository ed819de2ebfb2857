/** Chromium, by Playwright. */
import { chromium } from '@playwright/test';
import { findProgram } from '../../../scripts/lib/find-program.ts';
import { CHROMIUM } from '../../../scripts/lib/programs.ts';
import type { Engine, Tab } from './engine.ts';

export async function openChromium(): Promise<Engine> {
  const browser = await chromium.launch({
    executablePath: findProgram(CHROMIUM),
    // Chromium's sandbox does not run as root, and containers run as root.
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const context = await browser.newContext();
  const newTab = async (): Promise<Tab> => {
    const page = await context.newPage();
    return {
      async open(url) {
        await page.goto(url);
      },
      evaluate: async (expression) => await page.evaluate(expression),
      close: () => page.close(),
    };
  };
  return {
    ...(await newTab()),
    name: 'chromium',
    version: `Chromium ${browser.version()}`,
    newTab,
    close: () => browser.close(),
  };
}
