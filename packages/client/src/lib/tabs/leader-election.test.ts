import { describe, expect, it } from 'vitest';
import { HELLO } from '../../../test/frames.ts';
import { httpError } from '../../../test/scripted-transport.ts';
import { createTabs, led, type Tabs } from '../../../test/tabs.ts';

describe('tabs of one identity', () => {
  it('tabs share one connection, and each tab gets every event once', async () => {
    const tabs = await led();
    const second = await tabs.join();
    await tabs.send('a', 'one', 'e.6.5');
    expect(tabs.attempts).toHaveLength(1);
    expect([tabs.leader.got, second.got]).toEqual([['one'], ['one']]);
  });

  it('each tab resumes from its own position when the leader crashes', async () => {
    const tabs = await led();
    const second = await tabs.join();
    await tabs.send('a', 'one', 'e.6.5');
    tabs.leader.tab.crash();
    await tabs.settle();
    await tabs.advance(500);
    expect(tabs.last().opening.entries).toMatchObject([{ address: 'a', from: 'e.6' }]);
    tabs.last().accept(6);
    await tabs.send('a', 'two', 'e.7.6');
    expect(second.got).toEqual(['one', 'two']);
  });

  it('a tab becomes the leader when the leader is frozen', async () => {
    const tabs = await led();
    await tabs.settle();
    tabs.leader.tab.freeze();
    await tabs.request();
    expect(tabs.attempts).toHaveLength(1);
    await tabs.advance(1_300);
    expect(tabs.attempts).toHaveLength(2);
    tabs.leader.tab.thaw();
    await tabs.settle();
    expect(tabs.attempts[0]!.closed).toBe(true);
  });

  it('a tab reconnects at once when the leader leaves', async () => {
    const tabs = await led();
    await tabs.request();
    tabs.leader.close();
    await tabs.settle();
    await tabs.advance(500);
    expect(tabs.attempts[0]!.closed).toBe(true);
    expect(tabs.attempts[1]!.closed).toBe(false);
  });
});

describe('a refused opening request', () => {
  /** The server refuses the latest opening request. */
  const refuse = (tabs: Tabs) => tabs.last().lose({ error: httpError(403) });

  it('a refused opening request fails the leader, and the next tab opens with its own headers', async () => {
    const tabs = createTabs();
    const first = tabs.open({ headers: { authorization: 'old' } });
    const second = await tabs.request({ headers: { authorization: 'new' } });
    refuse(tabs);
    await tabs.settle();
    expect(first.state().state).toBe('failed');
    await tabs.advance(1_000);
    expect(tabs.attempts.map(({ opening }) => opening.headers)).toEqual([
      { authorization: 'old' },
      { authorization: 'new' },
    ]);
    tabs.last().accept();
    await tabs.send('a', 'one', 'e.6.5');
    expect([first.got, second.got]).toEqual([[], ['one']]);
    // A new tab is not refused because of the first tab's headers either.
    const third = await tabs.join({}, 6);
    await tabs.send('a', 'two', 'e.7.6');
    expect([third.got, tabs.attempts.length]).toEqual([['two'], 2]);
  });

  it('a refused opening request fails every tab in turn when none is allowed, and then requests stop', async () => {
    const tabs = createTabs();
    const opened = [tabs.open(), tabs.open(), tabs.open()];
    for (let turn = 0; turn < 3; turn += 1) {
      await tabs.advance(1_000);
      refuse(tabs);
    }
    await tabs.advance(60_000);
    expect(opened.map(({ state }) => state().state)).toEqual(['failed', 'failed', 'failed']);
    expect(tabs.attempts).toHaveLength(3);
  });

  it('a single tab opens again at once on reconnect() after a refused opening request', async () => {
    const tabs = createTabs();
    const { client, got } = await tabs.request();
    refuse(tabs);
    await tabs.settle();
    client.reconnect();
    await tabs.settle();
    tabs.last().accept();
    await tabs.send('a', 'one', 'e.6.5');
    expect(got).toEqual(['one']);
  });

  it('a refused opening request does not fail an entry that was added later', async () => {
    const tabs = createTabs();
    const first = await tabs.request();
    const second = await tabs.request({ tab: first.tab, topic: 'b' });
    refuse(tabs);
    await tabs.advance(1_000);
    expect(first.state().state).toBe('failed');
    tabs.last().accept();
    await tabs.send('b', 'one', 'e.6.5');
    expect(second.got).toEqual(['one']);
  });
});

it('tabs of different identities do not share a connection', async () => {
  const tabs = createTabs();
  tabs.open();
  await tabs.request({ identity: 'bob' });
  expect(tabs.attempts).toHaveLength(2);
});

it('a tab whose lock request is refused uses a private connection', async () => {
  const tabs = createTabs();
  const tab = tabs.browser.openTab();
  tab.refusesLocks = true;
  const { got } = await tabs.request({ tab });
  tabs.last().accept();
  await tabs.send('a', 'one', 'e.6.5');
  expect(got).toEqual(['one']);
});

it('a tab that was delayed reads the waiting answer of the leader before it takes over', async () => {
  const tabs = await led();
  tabs.leader.tab.freeze();
  const second = await tabs.request();
  second.tab.freeze();
  tabs.leader.tab.thaw();
  await tabs.settle();
  // A busy page runs a due timer before a message that has already arrived.
  tabs.clock.sleep(2_000);
  await tabs.clock.advance(0);
  second.tab.thaw();
  await tabs.advance(1_500);
  expect(tabs.leader.state()).toMatchObject({ state: 'connected', connectionCount: 1 });
  expect(tabs.attempts.map(({ closed }) => closed)).toEqual([false]);
});

it('a silent shared connection is replaced when a tab reconnects to it', async () => {
  const tabs = await led();
  await tabs.clock.advance(HELLO.pingMs + 4_000);
  await tabs.request();
  expect(tabs.attempts).toHaveLength(1);
  await tabs.clock.advance(1_000);
  const { got } = await tabs.request();
  expect(tabs.attempts[0]!.closed).toBe(true);
  await tabs.advance(1_000);
  tabs.last().accept(6);
  await tabs.send('a', 'one', 'e.7.6');
  expect(got).toEqual(['one']);
});

it('closed tabs leave no lock, channel, timer or connection', async () => {
  const tabs = createTabs();
  const opened = [tabs.open(), tabs.open()];
  await tabs.settle();
  tabs.last().accept();
  await tabs.settle();
  for (const { close } of opened) close();
  await tabs.settle();
  expect(tabs.browser.leftovers()).toEqual({ locks: [], channels: 0 });
  expect(tabs.attempts.every(({ closed }) => closed)).toBe(true);
  expect(tabs.clock.pending).toBe(0);
});
