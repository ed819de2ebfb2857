/** Many tabs and one connection: a leader that is closed or crashes, an origin that plain EventSources hang. */
import type { Page } from '@playwright/test';
import { expectWhole, findLeader, longestSilenceMs, openTabs } from './kit/tabs.ts';
import { expect, numbers, recorded, startRecording, test } from './kit/test.ts';

test.describe.configure({ timeout: 90_000 });

/** The origin's six connections per host are used up: a request waits behind them. */
async function answersWithin(page: Page, ms: number): Promise<boolean> {
  return await page.evaluate(
    (limitMs) =>
      Promise.race([
        fetch('/connections', { cache: 'no-store' }).then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), limitMs)),
      ]),
    ms,
  );
}

test('ten tabs are live through one connection, where seven plain EventSources hang the origin', async ({
  context,
  scene,
}) => {
  const origin = `http://127.0.0.1:${scene.server.port}`;
  const plain: Page[] = [];
  for (let n = 0; n < 7; n += 1) {
    const page = await context.newPage();
    // The seventh does not even load: its request waits behind the six streams.
    if (n < 6) {
      await page.goto(`${origin}/plain`);
      await page.waitForTimeout(50);
    } else void page.goto(`${origin}/plain`).catch(() => undefined);
    plain.push(page);
  }
  expect(await answersWithin(plain[0]!, 1_000)).toBe(false);
  // The one that still waits goes first: it must not be answered while it is being closed.
  for (const page of plain.toReversed()) await page.close();

  const tabs = await openTabs(context, origin, 10);
  await expect.poll(async () => await (await fetch(`${origin}/connections`)).text()).toBe('1');
  expect(await answersWithin(tabs[9]!, 1_000)).toBe(true);
  await scene.server.publish(1, 50, 2);
  for (const tab of tabs) {
    await expect.poll(async () => (await recorded(tab)).room.length).toBe(50);
    await expectWhole(tab, 1, 50);
  }
});

test('a leader that is closed or crashes, twenty times in a row, costs nobody an event', async ({
  context,
  scene,
}) => {
  const origin = `http://127.0.0.1:${scene.server.port}`;
  let tabs = await openTabs(context, origin, 4);
  let published = 0;
  const starts = new Map(tabs.map((tab) => [tab, 1]));
  const takeovers: number[] = [];
  for (let kill = 1; kill <= 20; kill += 1) {
    const publishing = scene.server.publish(published + 1, published + 40, 10);
    const leader = tabs[await findLeader(tabs)]!;
    const watching = tabs.find((tab) => tab !== leader)!;
    const before = (await recorded(watching)).notice.length;
    const killedAt = performance.now();
    await expectWhole(leader, starts.get(leader)!);
    if (kill % 5 === 0) {
      const session = await context.newCDPSession(leader);
      void session.send('Page.crash').catch(() => undefined);
      await leader.waitForEvent('crash');
    }
    await leader.close();
    tabs = tabs.filter((tab) => tab !== leader);
    await publishing;
    published += 40;
    for (const tab of tabs) {
      const want = numbers(starts.get(tab)!, published);
      await expect
        .poll(async () => (await recorded(tab)).notice.length, { timeout: 10_000 })
        .toBe(want.length);
    }
    expect(before).toBeLessThan(published);
    takeovers.push(performance.now() - killedAt);
    // Another tab joins between two kills, and starts behind what was published.
    const joined = await context.newPage();
    await startRecording(joined, origin, { transport: 'fetch', identity: 'ada' });
    starts.set(joined, published + 1);
    tabs.push(joined);
  }
  for (const tab of tabs) await expectWhole(tab, starts.get(tab)!, published);
  // From the kill until every tab has everything, the 0.4 s of publishing included.
  expect(Math.max(...takeovers)).toBeLessThan(2_000);
});

for (const end of ['is closed', 'crashes'] as const) {
  test(`a leader that ${end} is replaced within 2 s by tabs that wait as they do by default`, async ({
    context,
    scene,
  }) => {
    const origin = `http://127.0.0.1:${scene.server.port}`;
    const tabs = await openTabs(context, origin, 3, { patient: true });
    const leader = tabs[await findLeader(tabs)]!;
    const others = tabs.filter((tab) => tab !== leader);
    const publishing = scene.server.publish(1, 250, 10);
    await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
    if (end === 'crashes') {
      const session = await context.newCDPSession(leader);
      void session.send('Page.crash').catch(() => undefined);
      await leader.waitForEvent('crash');
    }
    await leader.close();
    await publishing;
    for (const tab of others) {
      await expect.poll(async () => (await recorded(tab)).room.length).toBe(250);
      await expectWhole(tab, 1, 250);
      expect(await longestSilenceMs(tab)).toBeLessThan(2_000);
    }
  });
}
