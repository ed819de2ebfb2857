/** A page misses no event while it is offline. */
import { expect, numbers, recorded, stateOf, test, expectRoom, TRANSPORTS, recordFirst } from './kit/test.ts';

for (const transport of TRANSPORTS) {
  test(`a page over ${transport} reconnects when it is online again and misses no event`, async ({
    page,
    scene,
  }) => {
    await recordFirst(page, scene, 5, { transport });
    await page.context().setOffline(true);
    scene.proxy.cut();
    await expect.poll(() => stateOf(page)).toBe('reconnecting');
    await scene.server.publish(6, 10);
    await page.context().setOffline(false);
    await expectRoom(page, 10);
    expect((await recorded(page)).notice).toEqual(numbers(1, 10));
  });
}
