/** Many tabs with many addresses: equal addresses count once for all tabs, and a slow network loses none of them. */
import type { Page } from '@playwright/test';
import { expectWhole, findLeader, openTabs } from './kit/tabs.ts';
import { expect, recorded, test } from './kit/test.ts';

const TABS = 10;
const ROOMS = 30;
/** Delay of each request: control requests collect the subscriptions that ten tabs add in that time. */
const DELAY_MS = 150;

/** Subscribes to this number of rooms, in addition to the recorder's two subscriptions. */
async function enterRooms(tab: Page, count: number): Promise<void> {
  await tab.evaluate((rooms) => {
    const { client } = window.recorder;
    window.statuses = Array.from({ length: rooms }, (_, n) =>
      client.subscribe('room', { name: `r${n}` }, () => {}),
    ).map(
      ({ getSnapshot }) =>
        () =>
          getSnapshot().status,
    );
  }, count);
}

async function expectSubscribed(tabs: readonly Page[]): Promise<void> {
  for (const tab of tabs) {
    await expect
      .poll(async () => await tab.evaluate(() => [...new Set(window.statuses.map((status) => status()))]))
      .toEqual(['subscribed']);
  }
}

declare global {
  interface Window {
    statuses: Array<() => string>;
  }
}

test('ten tabs share one connection for the same thirty addresses, also after the leader tab closes', async ({
  context,
  scene,
}) => {
  const origin = `http://127.0.0.1:${scene.server.port}`;
  const tabs = await openTabs(context, origin, TABS);
  await context.route('**/events*', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
    await route.continue();
  });
  await Promise.all(tabs.map(async (tab) => await enterRooms(tab, ROOMS)));
  await expectSubscribed(tabs);
  const leader = tabs[await findLeader(tabs)]!;
  const others = tabs.filter((tab) => tab !== leader);
  const publishing = scene.server.publish(1, 100, 10);
  await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
  await leader.close();
  await publishing;
  await expectSubscribed(others);
  for (const tab of others) {
    await expect.poll(async () => (await recorded(tab)).room.length).toBe(100);
    await expectWhole(tab, 1, 100);
  }
  await expect.poll(async () => await (await fetch(`${origin}/connections`)).text()).toBe('1');
});
