/** The actions of a browser on the tabs of its users: hiding, freezing, and the back-forward cache. */
import type { Browser, BrowserTab } from '../packages/client/test/browser.ts';
import type { Chance, SimClock } from './clock.ts';

export interface BrowserActionOptions {
  readonly browser: Browser;
  /** The tabs with a user. */
  readonly tabs: readonly BrowserTab[];
  readonly chance: Chance;
  readonly clock: SimClock;
}

export function actOfBrowser({ browser, tabs, chance, clock }: BrowserActionOptions): void {
  const tab = chance.pick([...tabs, browser.openTab()]);
  const way = chance();
  if (way < 0.2) tab.putAway();
  else if (way < 0.6) {
    tab.freeze();
    clock.after(chance.between(100, 20_000), tab.thaw);
  } else tab.hidden = !tab.hidden;
}
