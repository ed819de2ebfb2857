/** Tests of the account on a real client: the page's report after a cut and a gap. */
import { createTestClient } from '@linefeed/client/testing';
import { expect, it } from 'vitest';
import type { Board } from '../../channel.ts';
import { book, emptyAccount, type Account } from './account.ts';

function openAccount() {
  const test = createTestClient<Board>();
  let account: Account = emptyAccount;
  test.client.subscribe(
    'room',
    { name: 'lobby' },
    ({ run, n }, { address }) => (account = book(account, { kind: 'event', address, run, n })),
    { onGap: ({ address }) => (account = book(account, { kind: 'gap', address })) },
  );
  const say = (n: number) =>
    test.emit('room', { name: 'lobby' }, { run: 'r', n, at: 0, author: 'a', text: 't' });
  return { ...test, say, read: () => account };
}

it('an account on a client counts no missing and no duplicate event after a cut', async () => {
  const { client, say, disconnect, reconnect, read } = openAccount();
  await say(1);
  await disconnect();
  await say(2);
  await reconnect();
  await say(3);
  expect(read()).toMatchObject({ received: 3, missingAnnounced: 0, missingUnannounced: 0, doubled: 0 });
  client.close();
});

it('an account on a client counts the events lost in a gap as announced', async () => {
  const { client, say, gap, disconnect, reconnect, read } = openAccount();
  await say(1);
  await disconnect();
  await say(2);
  await gap('room', { name: 'lobby' });
  await say(3);
  await reconnect();
  expect(read()).toMatchObject({ received: 2, missingAnnounced: 1, missingUnannounced: 0, gaps: 1 });
  client.close();
});
