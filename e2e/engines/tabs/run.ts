/** Three tabs and three kills of the leader in one engine. */
import { isDeepStrictEqual } from 'node:util';
import { startServer } from '../../kit/server-process.ts';
import type { Engine, Tab } from '../drivers/engine.ts';
import type { Verdict } from '../verdict.ts';
import type { TabReport } from './page.ts';

const TABS = 3;
const KILLS = 3;
const BATCH = 60;

export async function runTabs(engine: Engine, bundle: string): Promise<Verdict[]> {
  const server = await startServer({ bundle });
  const verdicts: Verdict[] = [];
  const check = (name: string, expected: unknown, got: unknown): void => {
    const fault = isDeepStrictEqual(got, expected) ? undefined : JSON.stringify(got).slice(0, 500);
    verdicts.push({ name: `tabs: ${name}`, fault, deviates: false });
  };
  /**
   * The server's connection count, as soon as it is 1 or the time is over: a slow former leader may have left a
   * connection that is ending.
   */
  const connections = async (): Promise<string> => {
    for (let tries = 1; ; tries += 1) {
      const count = await (await fetch(`http://127.0.0.1:${server.port}/connections`)).text();
      if (count === '1' || tries === 300) return count;
      await pause(100);
    }
  };
  try {
    // The tab that was opened first leads.
    const tabs: Array<{ readonly tab: Tab; readonly from: number }> = [];
    const open = async (from: number): Promise<void> => {
      const tab = await engine.newTab();
      tabs.push({ tab, from });
      await tab.open(`http://127.0.0.1:${server.port}`);
      await tab.evaluate('window.linefeed.share()');
    };
    const reports = (): Promise<TabReport[]> =>
      Promise.all(tabs.map(({ tab }) => tab.evaluate<TabReport>('window.linefeed.shared()')));
    for (let n = 0; n < TABS; n += 1) await open(1);
    check(`${TABS} tabs have one connection`, '1', await connections());
    let published = 0;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const publishing = server.publish(published + 1, published + BATCH, 10);
      await tabs.shift()!.tab.close();
      await publishing;
      published += BATCH;
      const expected = tabs.map(({ from }) => ({
        seen: Array.from({ length: published - from + 1 }, (_, index) => from + index),
        trouble: [],
      }));
      let got: TabReport[] = [];
      for (let tries = 0; tries < 300; tries += 1) {
        got = await reports();
        if (got.every(({ seen }) => seen.at(-1) === published)) break;
        await pause(100);
      }
      check(`kill ${kill} of the leader loses no event of any tab`, expected, got);
      await open(published + 1);
    }
    check('there is one connection again', '1', await connections());
    for (const { tab } of tabs) await tab.close();
    return verdicts;
  } finally {
    await server.kill();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
