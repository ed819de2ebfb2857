/** A page misses no event while it is offline. */
import type { TransportName } from './kit/app.ts';
import { expect, numbers, recorded, startRecording, stateOf, test } from './kit/test.ts';

const transports: readonly TransportName[] = ['fetch', 'EventSource'];

for (const transport of transports) {
  test(`a page over ${transport} reconnects when it is online again and misses no event`, async ({
    page,
    scene,
  }) => {
    await startRecording(page, scene.proxy.origin, { transport });
    await scene.server.publish(1, 5);
    await expect.poll(async () => (await recorded(page)).room).toEqual(numbers(1, 5));
    await page.context().setOffline(true);
    scene.proxy.cut();
    await expect.poll(() => stateOf(page)).toBe('reconnecting');
    await scene.server.publish(6, 10);
    await page.context().setOffline(false);
    await expect.poll(async () => (await recorded(page)).room).toEqual(numbers(1, 10));
    expect((await recorded(page)).notice).toEqual(numbers(1, 10));
  });
}
