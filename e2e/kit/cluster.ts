/** The cluster example: two feed processes with nginx in front, and the page that counts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { expect, test as base, type Page } from '@playwright/test';
import { build } from 'vite';
import { findProgram } from '../../scripts/lib/find-program.ts';
import { NGINX } from '../../scripts/lib/programs.ts';
import { freePort } from './free-port.ts';

const EXAMPLE = resolve('examples/cluster');

interface Fixtures {
  /** The argument of the start program. */
  readonly log: string;
  readonly origin: string;
}

export const test = base.extend<Fixtures, { readonly pages: string }>({
  log: ['sqlite', { option: true }],
  pages: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use, { workerIndex }) => {
      const outDir = resolve(`.cache/e2e/cluster-${workerIndex}`);
      await build({ root: EXAMPLE, logLevel: 'error', build: { outDir, emptyOutDir: true } });
      await use(outDir);
    },
    { scope: 'worker' },
  ],
  async origin({ log, pages }, use) {
    const port = await threeFreePorts();
    const cluster = spawn(process.execPath, ['start.ts', log], {
      cwd: EXAMPLE,
      env: {
        ...process.env,
        // vite sets it to production when it builds the page.
        NODE_ENV: 'test',
        PORT: String(port),
        PAGES: pages,
        RESTART_MS: '1000',
        [NGINX.variable]: findProgram(NGINX),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = once(cluster, 'exit');
    const [line] = (await once(cluster.stdout.setEncoding('utf8'), 'data')) as [string];
    await use(line.split('\n', 1)[0]!);
    cluster.kill('SIGTERM');
    await gone;
  },
});

/** One for nginx, and the next two for the processes. */
async function threeFreePorts(): Promise<number> {
  for (;;) {
    const port = await freePort();
    const taken = await Promise.all([port + 1, port + 2].map(isTaken));
    if (!taken.includes(true)) return port;
  }
}

async function isTaken(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function readCounter(page: Page, name: string): Promise<number> {
  const text = await page.locator('.counter').filter({ hasText: name }).locator('dd').textContent();
  return Number((text || '0').replaceAll(',', ''));
}

/** Waits until the page has received `more` events of both processes. */
export async function receiveMore(page: Page, more: number): Promise<void> {
  const target = (await readCounter(page, 'Received')) + more;
  await expect.poll(() => readCounter(page, 'Received')).toBeGreaterThanOrEqual(target);
}

/** The process that serves the tab. */
export async function readServer(page: Page): Promise<string> {
  const status = page.getByRole('status');
  await expect(status).toHaveText(/^Served by (alder|birch), process \d+$/);
  return /(alder|birch)/.exec((await status.textContent()) ?? '')![0];
}

/** Presses the button of the process that serves the tab; resolves when the tab is served again, and it runs again. */
export async function killServer(page: Page): Promise<string> {
  const victim = await readServer(page);
  const card = page.getByRole('article').filter({ has: page.getByRole('heading', { name: victim }) });
  const before = await card.locator('.state').textContent();
  await page.getByRole('button', { name: `Kill ${victim}` }).click();
  await expect(page.getByRole('status')).not.toHaveText(new RegExp(`^Served by ${victim}`));
  const other = await readServer(page);
  await expect(card.locator('.state')).toHaveText(/^Running, process \d+$/);
  await expect(card.locator('.state')).not.toHaveText(before!);
  return other;
}

export { expect };
