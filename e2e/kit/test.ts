/** `test` with the base of every scenario: a server, a proxy in front of it, a page that records. */
import { linefeedFixtures, type LinefeedFixtures } from '@linefeed/client/testing/playwright';
import { expect, test as base, type Page } from '@playwright/test';
import type { Recorder, RecordOptions, Seen, TransportName } from './app.ts';
import type { Board } from './board.ts';
import { bundle } from './bundle.ts';
import { startChaosProxy, type ChaosProxy } from './chaos-proxy.ts';
import { startServer, type ServerOptions, type ServerProcess } from './server-process.ts';

export interface Scene {
  /** The present server; `restart` replaces it. */
  server: ServerProcess;
  readonly proxy: ChaosProxy;
  /** Kills the server without a shutdown and starts another one on its port. */
  restart(options?: ServerOptions): Promise<void>;
}

interface WorkerFixtures {
  /** Path of the page's script. */
  readonly bundle: string;
}

interface TestFixtures {
  readonly serverOptions: ServerOptions;
  readonly scene: Scene;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  bundle: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
    async ({}, use, { workerIndex }) => {
      await use(await bundle('kit/app.ts', String(workerIndex)));
    },
    { scope: 'worker' },
  ],
  serverOptions: [{}, { option: true }],
  async scene({ bundle, serverOptions }, use) {
    const server = await startServer({ ...serverOptions, bundle });
    const proxy = await startChaosProxy(server.port);
    const scene: Scene = {
      server,
      proxy,
      async restart(options) {
        const { port } = scene.server;
        await scene.server.kill();
        scene.server = await startServer({ ...serverOptions, bundle, ...options, port });
      },
    };
    await use(scene);
    await proxy.close();
    await scene.server.kill();
  },
});

/** `test` with the fixture that Linefeed publishes. */
export const linefeedTest = test.extend<LinefeedFixtures<Board>>(linefeedFixtures<Board>());

/** Opens the page and starts recording; resolves when both topics are subscribed. */
export async function startRecording(page: Page, origin: string, options: RecordOptions): Promise<void> {
  await page.goto(origin);
  await page.waitForFunction(() => typeof window.record === 'function');
  await page.evaluate((given) => {
    window.recorder = window.record(given);
  }, options);
  await expect.poll(() => stateOf(page)).toBe('connected');
}

/** The page's recorded events so far. */
export async function recorded(page: Page): Promise<Omit<Recorder, 'client'>> {
  return await page.evaluate(() => {
    const { notice, room, steps, errors, states, noticeAt } = window.recorder;
    return { notice, room, steps, errors, states, noticeAt };
  });
}

export async function stateOf(page: Page): Promise<string> {
  return await page.evaluate(() => window.recorder.client.connection.getSnapshot().state);
}

/** The numbers from `from` to `to`, as the handler of a complete subscription receives them. */
export function numbers(from: number, to: number, run = 'first'): Seen[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({ run, n: from + index }));
}

/** Waits until the handler of room has received the events from 1 to `last`, and no others. */
export async function expectRoom(page: Page, last: number): Promise<void> {
  await expect.poll(async () => (await recorded(page)).room).toEqual(numbers(1, last));
}

/** Starts recording, publishes the events from 1 to `last`, and waits until the page has received them. */
export async function recordFirst(
  page: Page,
  { proxy, server }: Scene,
  last: number,
  options: RecordOptions,
): Promise<void> {
  await startRecording(page, proxy.origin, options);
  await server.publish(1, last);
  await expectRoom(page, last);
}

export const TRANSPORTS: readonly TransportName[] = ['fetch', 'EventSource'];

export { expect };
