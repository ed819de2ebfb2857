/** Many tabs and one connection: a leader that is closed or crashes, and an origin that plain EventSources block. */
import type { Page } from '@playwright/test';
import { test, visibilityOf } from './kit/background-tabs.ts';
import { expectWhole, findLeader, longestSilenceMs, openTabs } from './kit/tabs.ts';
import { watchSlowness } from './kit/slowness.ts';
import type { ServerProcess } from './kit/server-process.ts';
import { expect, numbers, recorded, startRecording } from './kit/test.ts';

const ENDS = ['is closed', 'crashes'] as const;

async function endTab(tab: Page, end: (typeof ENDS)[number]): Promise<void> {
  if (end === 'crashes') {
    const session = await tab.context().newCDPSession(tab);
    void session.send('Page.crash').catch(() => undefined);
    await tab.waitForEvent('crash');
  }
  await tab.close();
}

async function connectionsOf(origin: string): Promise<string> {
  return await (await fetch(`${origin}/connections`)).text();
}

/** The origin's six connections per host are in use: a further request waits for one of them. */
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

test('ten tabs receive events over one connection; seven plain EventSources block the origin', async ({
  context,
  scene,
}) => {
  const origin = `http://127.0.0.1:${scene.server.port}`;
  const plain: Page[] = [];
  for (let n = 0; n < 7; n += 1) {
    const page = await context.newPage();
    // The seventh page does not load: its request waits for one of the six streams.
    if (n < 6) {
      await page.goto(`${origin}/plain`);
      await expect.poll(() => connectionsOf(origin)).toBe(String(n + 1));
    } else void page.goto(`${origin}/plain`).catch(() => undefined);
    plain.push(page);
  }
  expect(await answersWithin(plain[0]!, 1_000)).toBe(false);
  // Close the waiting page first: its request must not be answered while it is being closed.
  for (const page of plain.toReversed()) await page.close();

  const tabs = await openTabs(context, origin, 10);
  await expect.poll(() => connectionsOf(origin)).toBe('1');
  expect(await answersWithin(tabs[9]!, 30_000)).toBe(true);
  await scene.server.publish(1, 50, 2);
  for (const tab of tabs) {
    await expect.poll(async () => (await recorded(tab)).room.length).toBe(50);
    await expectWhole(tab, 1, 50);
  }
});

test('no tab misses an event when the leader tab closes or crashes twenty times in a row', async ({
  context,
  scene,
}) => {
  const origin = `http://127.0.0.1:${scene.server.port}`;
  let tabs = await openTabs(context, origin, 4);
  let published = 0;
  const starts = new Map(tabs.map((tab) => [tab, 1]));
  const takeovers: number[] = [];
  const slowness = watchSlowness();
  for (let kill = 1; kill <= 20; kill += 1) {
    const leader = tabs[await findLeader(tabs)]!;
    const publishing = scene.server.publish(published + 1, published + 20, 10);
    await expectWhole(leader, starts.get(leader)!);
    const killedAt = performance.now();
    await endTab(leader, ENDS[kill % 2]!);
    tabs = tabs.filter((tab) => tab !== leader);
    await publishing;
    // These events are published while there is no leader, or while the next leader connects.
    await scene.server.publish(published + 21, published + 40, 10);
    published += 40;
    for (const tab of tabs) {
      const want = numbers(starts.get(tab)!, published);
      await expect.poll(async () => (await recorded(tab)).notice.length).toBe(want.length);
    }
    takeovers.push(performance.now() - killedAt);
    // Another tab joins between two kills, and starts after the published events.
    const joined = await context.newPage();
    await startRecording(joined, origin, { transport: 'fetch', identity: 'ada' });
    starts.set(joined, published + 1);
    tabs.push(joined);
  }
  for (const tab of tabs) await expectWhole(tab, starts.get(tab)!, published);
  // From the kill until every tab has everything, including the 0.4 s of publishing.
  expect(Math.max(...takeovers)).toBeLessThan(2_000 * slowness());
});

/** Ends the leader while events are published: the others miss nothing, and wait no longer than 2 s. */
async function expectReplaced(
  tabs: readonly Page[],
  leader: Page,
  end: (typeof ENDS)[number],
  server: ServerProcess,
): Promise<void> {
  const slowness = watchSlowness();
  const publishing = server.publish(1, 150, 10);
  await expect.poll(async () => (await recorded(leader)).notice.length).toBeGreaterThan(10);
  await endTab(leader, end);
  await publishing;
  const others = tabs.filter((each) => each !== leader);
  for (const tab of others) await expect.poll(async () => (await recorded(tab)).room.length).toBe(150);
  const factor = slowness();
  for (const tab of others) {
    await expectWhole(tab, 1, 150);
    expect((await recorded(tab)).states).toContain('reconnecting');
    expect(await longestSilenceMs(tab)).toBeLessThan(2_000 * factor);
  }
}

for (const end of ENDS) {
  test(`a leader tab that ${end} is replaced within 2 s by tabs with the default retry options`, async ({
    context,
    scene,
  }) => {
    const tabs = await openTabs(context, `http://127.0.0.1:${scene.server.port}`, 3, { patient: true });
    await expectReplaced(tabs, tabs[await findLeader(tabs)]!, end, scene.server);
  });

  for (const front of ['visible', 'hidden'] as const) {
    test(`a hidden leader tab that ${end} is replaced within 2 s when the last tab is ${front}`, async ({
      userWindow,
      scene,
    }) => {
      const tabs = await openTabs(userWindow, `http://127.0.0.1:${scene.server.port}`, 3, { patient: true });
      if (front === 'hidden') await userWindow.newPage();
      await expect.poll(() => Promise.all(tabs.map(visibilityOf))).toEqual(['hidden', 'hidden', front]);
      const leads = await findLeader(tabs);
      expect(leads).toBeLessThan(2);
      await expectReplaced(tabs, tabs[leads]!, end, scene.server);
      expect(await visibilityOf(tabs[2]!)).toBe(front);
    });
  }
}
