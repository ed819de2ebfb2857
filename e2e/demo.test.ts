/** The demo as a visitor has it: the README's addresses without our client, and the buttons that hurt. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect as baseExpect, test as base } from '@playwright/test';
import { ROOT, runCommand } from '../scripts/lib/command.ts';
import { freePort } from './kit/free-port.ts';

/** The demo publishes once a second, and a browser comes back when it likes. */
const expect = baseExpect.configure({ timeout: 20_000 });

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

for (const [path, event, payload] of [
  ['notice', 'notice', { level: 'info', text: 'Somebody reads notice without our client.' }],
  ['price?symbol=ACME', 'price?symbol=ACME', { open: 41.2 }],
  ['report?year=2026', 'report', { step: 1, of: 365, date: '2026-01-01' }],
] as const) {
  test(`${path} says hello, then events whose data is the bare payload`, async ({ origin }) => {
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

test('a page with nothing but EventSource goes on where it was when the server is killed', async ({
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
  const runs = async () => Object.groupBy(await seen.jsonValue(), ({ run }) => run);
  await expect.poll(async () => Object.keys(await runs()).length).toBe(1);
  await page.request.post(`${origin}/faults/restart`, { data: {} });
  await expect.poll(async () => Object.values(await runs())[1]?.length ?? 0).toBeGreaterThan(2);
  const [before, after] = Object.values(await runs()).map((events) => events!.map(({ n }) => n));
  expect(before).toEqual(before!.map((_, index) => before![0]! + index));
  expect(after).toEqual(after!.map((_, index) => 1 + index));
});

for (const transport of ['fetch', 'eventsource']) {
  test(`the buttons lose and double nothing over ${transport}`, async ({ page, origin }) => {
    await page.goto(`${origin}?transport=${transport}`);
    const figure = (name: string) => page.locator('.figure').filter({ hasText: name }).locator('b');
    await expect(figure('received')).not.toHaveText('0');
    await expect(page.locator('.facts')).toContainText(/Last ping\s*[\d.]+ m?s ago/);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    for (const [name, mark] of [
      ['Cut my connection', 'cut'],
      ['Restart the server', 'restart'],
    ] as const) {
      await page.getByRole('button', { name }).click();
      const outcome = new RegExp(`^${mark} noticed .*Nothing lost in silence, nothing twice\\.$`);
      await expect(page.locator('.drill')).toHaveText(outcome);
    }
    await expect(page.locator('.report-figures')).toContainText(/Resumed\s*2/);
    await expect(figure('unannounced')).toHaveText('0');
    await expect(figure('doubled')).toHaveText('0');
  });
}
