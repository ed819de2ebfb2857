/**
 * Continuity of a page while its connection is cut, silenced and refused, and its server dies: each event once, in
 * order.
 */
import type { Page } from '@playwright/test';
import { watchSlowness } from './kit/slowness.ts';
import {
  expect,
  numbers,
  recorded,
  startRecording,
  stateOf,
  linefeedTest as test,
  type Scene,
  expectRoom,
  TRANSPORTS,
  recordFirst,
} from './kit/test.ts';

for (const transport of TRANSPORTS) {
  test.describe(`over ${transport}`, () => {
    test('a page receives typed events of every kind of topic', async ({ page, scene, linefeed }) => {
      await startRecording(page, scene.proxy.origin, { transport, steps: 5 });
      await scene.server.publish(1, 3);
      await expect.poll(async () => (await recorded(page)).steps).toEqual([1, 2, 3, 4, 5]);
      await expectRoom(page, 3);
      const { notice, errors } = await recorded(page);
      expect(notice).toEqual(numbers(1, 3));
      expect(errors).toEqual([]);
      // The handlers got every event of the connection, and no others.
      expect(linefeed.data('notice')).toEqual(notice);
      expect(linefeed.data('report').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
      // Streams and logged topics share the one connection; only a change of the list may have opened another.
      expect(scene.proxy.opened).toBeLessThanOrEqual(3);
    });

    test('cuts of the connection at random bytes lose, duplicate and reorder no event', async ({
      page,
      scene,
    }, { workerIndex }) => {
      const random = seeded(41 + workerIndex);
      await startRecording(page, scene.proxy.origin, { transport, steps: 200 });
      scene.proxy.set({ type: 'cut', bytes: () => 200 + Math.floor(random() * 6_000) });
      scene.proxy.cut();
      const publishing = scene.server.publish(1, 600, 5);
      await expect.poll(() => scene.proxy.faults).toBeGreaterThan(20);
      await publishing;
      scene.proxy.set({ type: 'none' });
      await expect.poll(async () => (await recorded(page)).room.length).toBe(600);
      await expect.poll(async () => (await recorded(page)).steps.length).toBe(200);
      const { notice, room, steps, errors } = await recorded(page);
      expect(notice).toEqual(numbers(1, 600));
      expect(room).toEqual(numbers(1, 600));
      expect(steps).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
      expect(errors).toEqual([]);
    });

    test('a page that is disconnected three times receives each event published meanwhile once', async ({
      page,
      scene,
      linefeed,
    }) => {
      await startRecording(page, scene.proxy.origin, { transport });
      for (let round = 0; round < 3; round += 1) {
        await scene.server.publish(10 * round + 1, 10 * round + 5);
        await expect.poll(async () => (await recorded(page)).room.length).toBe(10 * round + 5);
        await linefeed.disconnect();
        await expect.poll(() => stateOf(page)).toBe('reconnecting');
        await scene.server.publish(10 * round + 6, 10 * round + 10);
        await linefeed.reconnect();
        await expect.poll(async () => (await recorded(page)).room.length).toBe(10 * round + 10);
      }
      const { room, notice, errors } = await recorded(page);
      expect(room).toEqual(numbers(1, 30));
      expect(notice).toEqual(numbers(1, 30));
      expect(errors).toEqual([]);
    });

    test('a page misses no event when its reconnects get 502', async ({ page, scene }) => {
      await startRecording(page, scene.proxy.origin, { transport });
      await expectReconnect(page, scene, 'bad-gateway');
    });

    test('a page misses no event when its reconnects are reset', async ({ page, scene }) => {
      await startRecording(page, scene.proxy.origin, { transport });
      await expectReconnect(page, scene, 'reset');
    });

    test('each address gets one gap, then every event of the next server, after a server is killed', async ({
      page,
      scene,
    }) => {
      await startRecording(page, scene.proxy.origin, { transport });
      const dying = scene.server.publish(1, 100_000, 2).catch(() => 'killed');
      await expect.poll(async () => (await recorded(page)).room.length).toBeGreaterThan(50);
      await scene.restart({ run: 'second' });
      expect(await dying).toBe('killed');
      await scene.server.publish(1, 50, 2);
      await expect.poll(async () => (await recorded(page)).room.at(-1)).toEqual({ run: 'second', n: 50 });
      for (const seen of [(await recorded(page)).notice, (await recorded(page)).room]) {
        const gapAt = seen.findIndex((entry) => 'gap' in entry);
        expect(seen.slice(0, gapAt)).toEqual(numbers(1, gapAt));
        expect(seen[gapAt]).toMatchObject({ gap: { reason: 'epoch' } });
        expect(seen.slice(gapAt + 1)).toEqual(numbers(1, 50, 'second'));
      }
    });

    test.describe('with a ping interval of 500 ms', () => {
      test.use({ serverOptions: { pingMs: 500 } });

      test('a page detects a silent connection within the announced timeout and receives the missed events', async ({
        page,
        scene,
      }) => {
        await recordFirst(page, scene, 5, { transport });
        scene.proxy.silence();
        const slowness = watchSlowness();
        const silentAt = Date.now();
        await scene.server.publish(6, 10);
        await expectRoom(page, 10);
        // The announced timeout: 2 pings and 5 s.
        const silentMs = Date.now() - silentAt;
        expect(silentMs).toBeGreaterThan(4_500);
        expect(silentMs).toBeLessThan(9_000 * slowness());
        expect((await recorded(page)).notice).toEqual(numbers(1, 10));
        expect(await stateOf(page)).toBe('connected');
      });
    });
  });
}

test('a page with a plain EventSource receives events and resumes after a cut', async ({ page, scene }) => {
  await page.goto(`${scene.proxy.origin}/plain`);
  await expect.poll(() => scene.proxy.opened).toBe(1);
  await scene.server.publish(1, 5);
  await expect.poll(() => page.evaluate(() => window.seen)).toEqual([1, 2, 3, 4, 5]);
  scene.proxy.cut();
  await scene.server.publish(6, 10);
  await expect.poll(() => page.evaluate(() => window.seen)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

/** Cuts the connection, and lets more than three attempts fail while events are published. */
async function expectReconnect(
  page: Page,
  { proxy, server }: Scene,
  type: 'bad-gateway' | 'reset',
): Promise<void> {
  await server.publish(1, 5);
  await expectRoom(page, 5);
  proxy.set({ type });
  proxy.cut();
  await expect.poll(() => proxy.faults).toBeGreaterThan(3);
  await server.publish(6, 10);
  proxy.set({ type: 'none' });
  await expectRoom(page, 10);
  expect((await recorded(page)).notice).toEqual(numbers(1, 10));
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
