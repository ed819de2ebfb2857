/** The demo from a visitor's view: the README's addresses without our client, and the fault buttons. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test as base, type Page, type Request } from '@playwright/test';
import { ROOT, runCommand } from '../scripts/lib/command.ts';
import { freePort } from './kit/free-port.ts';

interface Fixtures {
  readonly folder: string;
  readonly origin: string;
}

const test = base.extend<Fixtures>({
  folder: [join(ROOT, 'examples/demo'), { option: true }],
  async origin({ folder }, use) {
    const port = await freePort();
    const server = spawn(process.execPath, ['server.ts'], {
      cwd: folder,
      env: { ...process.env, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = once(server, 'exit');
    await once(server.stdout, 'data');
    await use(`http://localhost:${port}`);
    server.kill('SIGTERM');
    await gone;
  },
});

// One worker, and so one build of the page.
test.describe.configure({ mode: 'serial' });

test.beforeAll(async ({ folder }) => {
  const options = { cwd: folder, timeoutMs: 60_000 };
  const { ok, output } = await runCommand('vite', ['build', '--logLevel', 'warn'], options);
  expect(ok, output).toBe(true);
});

async function startReport(origin: string, year: number): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ year, key: 'one' });
  expect((await fetch(`${origin}/report`, { method: 'POST', headers, body })).status).toBe(200);
}

for (const [path, event, payload] of [
  ['notice', 'notice', { level: 'info', text: 'Another client reads notice.' }],
  ['price?symbol=ACME', 'price?symbol=ACME', { open: 41.2 }],
  ['report?year=2026', 'report?year=2026', { step: 1, of: 365, date: '2026-01-01' }],
] as const) {
  test(`GET /events/${path} returns hello, then events whose data is the payload alone`, async ({
    origin,
  }) => {
    await startReport(origin, 2026);
    const response = await fetch(`${origin}/events/${path}`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const found = new RegExp(`^event: ${event.replace('?', '\\?')}\ndata: (.*)$`, 'm');
    while (!found.test(text)) text += (await reader.read()).value ?? '';
    await reader.cancel();
    expect(text).toMatch(/^retry: \d+\n(id: .+\n)?event: linefeed.hello\n/);
    expect(JSON.parse(found.exec(text)![1]!)).toMatchObject(payload);
  });
}

test('a page with a plain EventSource misses no event when the server is killed and restarts', async ({
  page,
  origin,
}) => {
  await page.goto(`${origin}/plain.html`);
  await expect(page.locator('#events')).toContainText('"n":2');
  const seen = await page.evaluateHandle(() => {
    const events: Array<{ run: string; n: number }> = [];
    new EventSource('/events/host').addEventListener('host', ({ data }) => events.push(JSON.parse(data)));
    return events;
  });
  // A map: the id of a run may be all digits, and an object sorts such keys before all others.
  const runs = async () => [...Map.groupBy(await seen.jsonValue(), ({ run }) => run).values()];
  await expect.poll(async () => (await runs()).length).toBe(1);
  await page.request.post(`${origin}/faults/restart`, { data: {} });
  await expect.poll(async () => (await runs())[1]?.length ?? 0).toBeGreaterThan(2);
  const [before, after] = (await runs()).map((events) => events.map(({ n }) => n));
  expect(before).toEqual(before!.map((_, index) => before![0]! + index));
  expect(after).toEqual(after!.map((_, index) => 1 + index));
});

function figure(page: Page, name: string) {
  return page.locator('.figure').filter({ hasText: name }).locator('b');
}

/** Presses a fault button, and waits until the page reports its recovery. */
async function hurt(page: Page, name: string, mark: string): Promise<void> {
  await page.getByRole('button', { name }).click();
  const outcome = new RegExp(`^${mark} noticed .*Nothing lost in silence, nothing twice\\.$`);
  await expect(page.locator('.drill')).toHaveText(outcome);
}

for (const transport of ['fetch', 'eventsource']) {
  test(`the fault buttons lose and duplicate no event over ${transport}`, async ({ page, origin }) => {
    await page.goto(`${origin}?transport=${transport}`);
    await expect(figure(page, 'received')).not.toHaveText('0');
    await expect(page.locator('.facts')).toContainText(/Last ping\s*[\d.]+ m?s ago/);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await hurt(page, 'Cut my connection', 'cut');
    await hurt(page, 'Restart the server', 'restart');
    await expect(page.locator('.report-figures')).toContainText(/Resumed\s*2/);
    await expect(figure(page, 'unannounced')).toHaveText('0');
    await expect(figure(page, 'doubled')).toHaveText('0');
  });
}

/**
 * Returns the tab that owns the connection, and the other one. A leader that answers too slowly loses the lead, so it
 * polls.
 */
async function rolesOf(tabs: readonly Page[]): Promise<readonly [leader: Page, follower: Page]> {
  const isIn = async (tab: Page): Promise<string | undefined> =>
    /is open in (this|another) tab/.exec((await tab.locator('.facts').textContent()) ?? '')?.[1];
  let leads = -1;
  await expect
    .poll(async () => {
      const roles = await Promise.all(tabs.map(isIn));
      leads = roles.indexOf('this');
      return new Set(roles);
    })
    .toEqual(new Set(['this', 'another']));
  return [tabs[leads]!, tabs[1 - leads]!];
}

test('two tabs with one shared connection lose and duplicate no event', async ({ context, origin }) => {
  /** Event streams that are open in both tabs. */
  const open = new Set<Request>();
  context.on('request', (request) => {
    if (request.method() === 'GET' && new URL(request.url()).pathname === '/events') open.add(request);
  });
  context.on('requestfinished', (request) => open.delete(request));
  context.on('requestfailed', (request) => open.delete(request));
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    await tab.goto(`${origin}?transport=shared`);
    await expect(figure(tab, 'received')).not.toHaveText('0');
  }
  const [, starter] = await rolesOf(tabs);
  await starter.getByRole('button', { name: 'Start', exact: true }).click();
  const received = async (tab: Page) => Number(await figure(tab, 'received').textContent());
  for (const [role, name, mark] of [
    [1, 'Cut my connection', 'cut'],
    [0, 'Restart the server', 'restart'],
  ] as const) {
    const tab = (await rolesOf(tabs))[role];
    const before = await Promise.all(tabs.map(received));
    await hurt(tab, name, mark);
    for (const [i, each] of tabs.entries()) {
      await expect.poll(() => received(each)).toBeGreaterThan(before[i]! + 5);
      await expect(figure(each, 'unannounced')).toHaveText('0');
      await expect(figure(each, 'doubled')).toHaveText('0');
    }
    await expect.poll(() => open.size).toBe(1);
  }
  const resumed = async () =>
    Number(/Resumed\s*(\d+)/.exec((await starter.locator('.report-figures').textContent()) ?? '')?.[1]);
  // Once more for each move of the connection to the other tab.
  await expect.poll(resumed).toBeGreaterThanOrEqual(2);
  // The leading tab is closed: the other one opens the connection, and resumes after its own last event.
  const [leader, follower] = await rolesOf(tabs);
  const before = await received(follower);
  await leader.close();
  await expect(follower.locator('.facts')).toContainText('is open in this tab');
  await expect.poll(() => received(follower)).toBeGreaterThan(before + 5);
  // Then it continues over a private connection.
  const shared = await received(follower);
  await follower.getByRole('radio', { name: 'fetch' }).check();
  await expect.poll(() => received(follower)).toBeGreaterThan(shared + 5);
  await expect(figure(follower, 'unannounced')).toHaveText('0');
  await expect(figure(follower, 'doubled')).toHaveText('0');
});

/** The report as a tab shows it. */
interface Shown {
  readonly run: string | undefined;
  readonly days: number;
  /** Handler calls for steps of this run and the earlier ones, since the tab was loaded. */
  readonly received: number;
}

async function readReport(tab: Page, year: number): Promise<Shown> {
  const [account, run] = await Promise.all([
    tab.locator('.account-note').textContent(),
    tab.locator('.report-run').textContent(),
  ]);
  return {
    run: /Run (\w+),/.exec(run ?? '')?.[1],
    days: Number(await progressOf(tab).getAttribute('aria-valuenow')),
    received: Number(new RegExp(`report\\?year=${year} (\\d+)`).exec(account ?? '')?.[1] ?? 0),
  };
}

function progressOf(tab: Page) {
  return tab.getByRole('progressbar', { name: 'Days reported' });
}

/** Waits until the run has more than `days` in the tab. */
async function untilAfter(tab: Page, days: number): Promise<void> {
  await expect
    .poll(async () => Number(await progressOf(tab).getAttribute('aria-valuenow')))
    .toBeGreaterThan(days);
}

/** The recorded steps of a run that has ended, without our client. */
async function readSteps(url: string): Promise<ReadonlyArray<{ n: number; attempt: number }>> {
  const response = await fetch(url);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!/^event: linefeed\.end\n/m.test(text)) text += (await reader.read()).value ?? '';
  await reader.cancel();
  return [...text.matchAll(/^event: report.*\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data!));
}

test('a report continues after a reload and a restart until another tab stops it, and no step is lost or doubled', async ({
  context,
  origin,
}) => {
  const year = 2027;
  const first = await context.newPage();
  const second = await context.newPage();
  const tabs = [first, second];
  const stateOf = (tab: Page) =>
    tab.locator('.report-figures div').filter({ hasText: 'State' }).locator('dd');
  const attemptOf = (tab: Page) =>
    tab.locator('.report-figures div').filter({ hasText: 'Attempt' }).locator('dd');
  /** Stops the run from the second tab. Returns its number of days, which both tabs must show. */
  const stopBoth = async (): Promise<number> => {
    const stopper = await second.getByLabel('You are').inputValue();
    await second.getByRole('button', { name: 'Stop', exact: true }).click();
    for (const tab of tabs) await expect(stateOf(tab)).toHaveText('stopped');
    const { days } = await readReport(first, year);
    for (const tab of tabs)
      await expect(tab.locator('.report-verdict')).toHaveText(`Stopped by ${stopper} after ${days} days.`);
    return days;
  };
  for (const tab of tabs) {
    await tab.goto(`${origin}?year=${year}`);
    await expect(stateOf(tab)).toHaveText('idle');
  }

  await first.getByRole('button', { name: 'Start', exact: true }).click();
  for (const tab of tabs) await untilAfter(tab, 20);
  const { run, days: before } = await readReport(first, year);
  expect(run).toBeDefined();
  await first.reload();
  await untilAfter(first, before);
  expect((await readReport(first, year)).run).toBe(run);
  expect((await readReport(second, year)).run).toBe(run);

  const days = await stopBoth();
  for (const tab of tabs) expect(await readReport(tab, year)).toEqual({ run, days, received: days });

  await second.getByRole('button', { name: 'Start', exact: true }).click();
  for (const tab of tabs) {
    await expect(stateOf(tab)).toHaveText('running');
    await untilAfter(tab, 20);
  }
  const next = (await readReport(second, year)).run;
  expect(next).not.toBe(run);
  await hurt(first, 'Restart the server', 'restart');
  for (const tab of tabs) {
    await expect(attemptOf(tab)).toHaveText('2');
    await untilAfter(tab, (await readReport(tab, year)).days + 20);
  }
  const more = await stopBoth();
  for (const tab of tabs) {
    expect(await readReport(tab, year)).toEqual({ run: next, days: more, received: days + more });
    await expect(figure(tab, 'unannounced')).toHaveText('0');
    await expect(figure(tab, 'doubled')).toHaveText('0');
  }
  const steps = await readSteps(`${origin}/events/report?year=${year}`);
  expect(steps.map(({ n }) => n)).toEqual(steps.map((_, index) => index + 1));
  expect(steps).toHaveLength(more);
  expect([...new Set(steps.map(({ attempt }) => attempt))]).toEqual([1, 2]);
});
