/** Opens tabs that share a connection, and finds the leader. */
import type { BrowserContext, Page } from '@playwright/test';
import type { RecordOptions } from './app.ts';
import { expect, numbers, recorded, startRecording } from './test.ts';

export async function openTabs(
  context: BrowserContext,
  origin: string,
  count: number,
  options: Partial<RecordOptions> = {},
): Promise<Page[]> {
  const tabs: Page[] = [];
  for (let n = 0; n < count; n += 1) {
    const tab = await context.newPage();
    await startRecording(tab, origin, { transport: 'fetch', identity: 'ada', ...options });
    tabs.push(tab);
  }
  return tabs;
}

/** Index of the tab that holds the leader's lock. */
export async function findLeader(tabs: readonly Page[]): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    for (const [index, tab] of tabs.entries()) {
      const leads = await tab.evaluate(async () => {
        const { held = [] } = await navigator.locks.query();
        const leader = held.find(({ name }) => name!.endsWith(']'));
        const own = held.filter(({ clientId }) => clientId === leader?.clientId);
        // The only source of a tab's client id is one of its own locks: request one and read it.
        const mine = await navigator.locks.request(
          `probe ${Math.random()}`,
          async (lock) =>
            (await navigator.locks.query()).held!.find(({ name }) => name === lock!.name)!.clientId,
        );
        return leader !== undefined && own.some(({ clientId }) => clientId === mine);
      });
      if (leads) return index;
    }
  }
  throw new Error('Nobody leads.');
}

/** Checks the events of a tab that may have joined late: none is missing between its first and its last number. */
export async function expectWhole(tab: Page, from: number, to?: number): Promise<void> {
  const { notice, room, errors } = await recorded(tab);
  const wholeTo = (list: readonly unknown[]): number => to ?? from + list.length - 1;
  expect({ notice, room, errors }).toEqual({
    notice: numbers(from, wholeTo(notice)),
    room: numbers(from, wholeTo(room)),
    errors: [],
  });
}

/** The longest time without a notice after the first one, while one is published every few milliseconds. */
export async function longestSilenceMs(tab: Page): Promise<number> {
  const { noticeAt } = await recorded(tab);
  return Math.max(...noticeAt.slice(1).map((at, index) => at - noticeAt[index]!));
}
