import { FRAME } from '@linefeed/shared/wire';
import { expect, it } from 'vitest';
import { hold } from '../../../test/held-handler.ts';
import { led } from '../../../test/tabs.ts';

it('a tab that is refused with too_many_subscriptions continues on a private connection', async () => {
  const tabs = await led();
  const crowded = await tabs.request();
  const { address, key } = tabs.controls[0]!.add[0]!;
  const refused = { code: 'too_many_subscriptions', message: 'One more.' };
  tabs.last().refuse(address, { key, n: 1, ...refused });
  await tabs.advance(1_000);
  expect(tabs.attempts).toHaveLength(2);
  tabs.last().accept();
  for (const attempt of tabs.attempts) attempt.deliver('a', 6);
  await tabs.settle();
  expect([tabs.leader.got, crowded.got]).toEqual([[6], [6]]);
  // On a private connection the tab gets the error itself.
  tabs.last().refuse(address, { key: tabs.last().opening.entries[0]!.key!, ...refused });
  await tabs.settle();
  expect(crowded.errors).toContain('too_many_subscriptions');
});

it('a tab whose change is refused continues on a private connection, and the shared one stays open', async () => {
  const tabs = await led();
  tabs.controlStatus = 405;
  const second = await tabs.request();
  await tabs.advance(500);
  expect(tabs.controls).toHaveLength(1);
  expect(tabs.attempts.map(({ closed }) => closed)).toEqual([false, false]);
  tabs.last().accept();
  for (const attempt of tabs.attempts) attempt.deliver('a', 6);
  await tabs.settle();
  expect([tabs.leader.got, second.got]).toEqual([[6], [6]]);
});

it('a tab with a slow handler pauses alone, and resumes from its own cursor', async () => {
  const tabs = await led();
  const { leader, upstream } = tabs;
  const { handler, finish } = hold();
  const slow = await tabs.join({ maxQueuedEvents: 2, handler });
  upstream.deliver('a', 6, 7, 8, 9);
  await tabs.settle();
  expect(leader.got).toEqual([6, 7, 8, 9]);
  expect(slow.state()).toMatchObject({ state: 'suspended', reason: 'queue' });
  for (let handled = 0; handled < 2; handled += 1) {
    finish();
    await tabs.settle();
  }
  expect(tabs.controls.at(-1)!.add).toMatchObject([{ address: 'a', from: 'e.8' }]);
  expect(tabs.attempts).toHaveLength(1);
  expect(upstream.closed).toBe(false);
});

it.each([
  [7, 5],
  [5, 7],
])('a tab starts at the lowest of the positions %i and %i of its entries', async (first, second) => {
  const tabs = await led();
  const { client } = tabs.open();
  client.subscribe('b', () => {});
  await tabs.settle();
  const [a, b] = tabs.controls[0]!.add;
  tabs.upstream.subscribed('a', first, { key: a!.key, n: 1 });
  tabs.upstream.subscribed('b', second, { key: b!.key, n: 1 });
  await tabs.settle();
  expect(client.cursor).toBe('e.5');
});

it('a tab reconnects alone when more than 1,000 frames wait in it for an answer', async () => {
  const tabs = await led();
  const { leader, upstream } = tabs;
  const { client, got, state } = tabs.open();
  client.subscribe('b', () => {});
  await tabs.settle();
  const [a, b] = tabs.controls[0]!.add;
  upstream.subscribed('a', 5, { key: a!.key, n: 1 });
  // `hello` and the answer are held as well.
  for (let position = 6; position <= 1_003; position += 1) upstream.deliver('a', position);
  await tabs.settle();
  expect(state().error).toBe(undefined);
  upstream.deliver('a', 1_004);
  await tabs.settle();
  expect(state().error?.message).toBe('Too many frames arrived before the answer.');
  expect([leader.got.length, got.length, upstream.closed]).toEqual([999, 0, false]);
  upstream.subscribed('b', 5, { key: b!.key, n: 1 });
  await tabs.settle();
  expect(tabs.controls[1]).toMatchObject({ add: [], remove: ['b'] });
  upstream.send(FRAME.end, { address: 'b', n: 2 });
  await tabs.advance(2_000);
  expect(tabs.controls[2]!.add.map(({ address }) => address)).toEqual(['a', 'b']);
});
