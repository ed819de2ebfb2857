/** The fixture that users of Linefeed test their pages with. */
import {
  expect,
  numbers,
  recorded,
  startRecording,
  stateOf,
  linefeedTest as test,
  expectRoom,
  TRANSPORTS,
  recordFirst,
} from './kit/test.ts';

for (const transport of TRANSPORTS) {
  test.describe(`over ${transport}`, () => {
    test('the Playwright fixture records the typed events that a page receives', async ({
      page,
      scene,
      linefeed,
    }) => {
      await startRecording(page, scene.proxy.origin, { transport, steps: 3 });
      await scene.server.publish(1, 2);
      await expect.poll(() => linefeed.data('room')).toEqual(numbers(1, 2));
      await expect.poll(() => linefeed.data('report')).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }]);
      const [first] = linefeed.events().filter(({ topic }) => topic === 'room');
      expect(first).toMatchObject({ topic: 'room', address: 'room?name=a', data: { run: 'first', n: 1 } });
      expect(first?.id).toMatch(/^[0-9a-z]+\.[0-9a-z]+\.0$/);
    });

    test('the Playwright fixture keeps a page disconnected until reconnect is called', async ({
      page,
      scene,
      linefeed,
    }) => {
      await recordFirst(page, scene, 2, { transport });
      await linefeed.disconnect();
      await expect.poll(() => stateOf(page)).toBe('reconnecting');
      const opened = scene.proxy.opened;
      await scene.server.publish(3, 4);
      expect(await stateOf(page)).toBe('reconnecting');
      expect(scene.proxy.opened).toBe(opened);
      await linefeed.reconnect();
      await expectRoom(page, 4);
      expect((await recorded(page)).errors).toEqual([]);
      expect(linefeed.data('room')).toEqual(numbers(1, 4));
    });
  });
}

test('the Playwright fixture keeps a tab disconnected after a navigation to another page', async ({
  page,
  scene,
  linefeed,
}) => {
  await startRecording(page, scene.proxy.origin, { transport: 'fetch' });
  await linefeed.disconnect();
  await page.goto(`${scene.proxy.origin}/plain`);
  await scene.server.publish(1, 1);
  expect(await page.evaluate(() => window.seen)).toEqual([]);
  expect(linefeed.events()).toEqual([]);
});
