/** A page with a plain EventSource reads a run, while its connection is cut at random bytes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFeed } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { defineChannel, run } from '@linefeed/shared';
import { expect, test as base } from '@playwright/test';
import * as z from 'zod';
import { startChaosProxy, type ChaosProxy } from './kit/chaos-proxy.ts';

const channel = defineChannel({
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ n: z.number() }),
    result: z.object({ count: z.number() }),
  }),
});

/** Runs in the page. It keeps each event with its id, as any reader of an EventSource can. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>e2e</title><script>
window.seen = [];
const source = new EventSource('/events/answer?chat=1');
for (const name of ['answer?chat=1', 'linefeed.end'])
  source.addEventListener(name, ({ data, lastEventId }) => window.seen.push({ name, data: JSON.parse(data), lastEventId }));
</script>`;

const COUNT = 300;

interface Served {
  readonly feed: ReturnType<typeof open>;
  readonly proxy: ChaosProxy;
}

function open() {
  return createFeed(channel, { retryMs: 20, stopFromClients: true, authorize: () => true });
}

const test = base.extend<{ served: Served }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads the pattern
  async served({}, use) {
    const feed = open();
    const handle = toNodeHandler(feed);
    const server = createServer((req, res) =>
      handle(req, res, () => res.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = await startChaosProxy((server.address() as AddressInfo).port);
    await use({ feed, proxy });
    await proxy.close();
    await feed.close();
    server.closeAllConnections();
    server.close();
  },
});

interface Seen {
  readonly name: string;
  readonly data: { readonly n: number };
  readonly lastEventId: string;
}

test('a plain EventSource gets each event of a run once, and its end, over connections that are cut', async ({
  page,
  served: { feed, proxy },
}) => {
  const seen = (): Promise<Seen[]> => page.evaluate(() => (window as unknown as { seen: Seen[] }).seen);
  let bytes = 300;
  proxy.set({ type: 'cut', bytes: () => 300 + ((bytes += 211) % 1_500) });
  const { run: id } = await feed.start('answer', { chat: '1' }, async function* ({ signal }) {
    for (let n = 1; n <= COUNT && !signal.aborted; n += 1) {
      yield { n };
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { count: COUNT };
  });
  await page.goto(proxy.origin);
  await expect.poll(async () => (await seen()).at(-1)?.name).toBe('linefeed.end');
  const whole = await seen();
  expect(whole.slice(0, -1).map(({ data }) => data.n)).toEqual(
    Array.from({ length: COUNT }, (_, i) => i + 1),
  );
  expect(whole.map(({ lastEventId }) => lastEventId)).toEqual([
    ...Array.from({ length: COUNT }, (_, i) => `~${id}.${i + 1}`),
    `~${id}.${COUNT + 1}.end`,
  ]);
  expect(whole.at(-1)!.data).toEqual({
    address: 'answer?chat=1',
    run: id,
    outcome: 'done',
    result: { count: COUNT },
  });
  expect(proxy.faults).toBeGreaterThan(10);
  // A reload reads the whole run again, and the next run follows on the same connection.
  proxy.set({ type: 'none' });
  await page.reload();
  await expect.poll(seen).toEqual(whole);
  await feed.start('answer', { chat: '1' }, function* () {
    yield { n: 1 };
    return { count: 1 };
  });
  await expect.poll(async () => (await seen()).length).toBe(COUNT + 3);
});

test('a page stops a run by a request, and its EventSource gets the end with the reason', async ({
  page,
  served: { feed, proxy },
}) => {
  const seen = (): Promise<Seen[]> => page.evaluate(() => (window as unknown as { seen: Seen[] }).seen);
  await page.goto(proxy.origin);
  const { run: id } = await feed.start('answer', { chat: '1' }, async function* ({ signal }) {
    yield { n: 1 };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return { count: 1 };
  });
  await expect.poll(async () => (await seen()).length).toBe(1);
  const answer = await page.evaluate(async () => {
    const stop = { address: 'answer?chat=1', reason: 'user' };
    return await (await fetch('/events', { method: 'POST', body: JSON.stringify({ stop }) })).json();
  });
  expect(answer).toEqual({ run: id, outcome: 'stopped' });
  await expect
    .poll(async () => (await seen()).at(-1)?.data)
    .toEqual({ address: 'answer?chat=1', run: id, outcome: 'stopped', reason: 'user' });
});
