import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createBrowser, type BrowserTab } from '../../../test/browser.ts';
import { createScriptTransport, type Attempt } from '../../../test/scripted-transport.ts';
import type { AnyChannel } from '@linefeed/shared';
import { createManualClock, type ManualClock } from '../clock.ts';
import { createClient } from '../client.ts';
import { createTab } from './tab.ts';

function createWorld() {
  const clock = createManualClock(1_000_000);
  const browser = createBrowser();
  const { transport, attempts } = createScriptTransport();
  const controls: Array<{ add: Array<{ address: string; key: string; from: string }> }> = [];
  const open = (identity = 'ada', tab: BrowserTab = browser.openTab()) => {
    const sharing = createTab({
      base: transport,
      name: identity,
      clock,
      connectTimeoutMs: 10_000,
      surroundings: tab.surroundings,
    });
    const got: unknown[] = [];
    const client = createClient<AnyChannel>({
      url: '/events',
      clock,
      transport: sharing.transport,
      onError: () => {},
      fetch: async (_url, init) => {
        controls.push(JSON.parse(init?.body as string));
        return new Response('', { status: 202 });
      },
    });
    client.subscribe('a', (payload: unknown) => got.push(payload));
    const close = () => {
      client.close();
      sharing.close();
    };
    return { tab, client, got, close };
  };
  return { clock, browser, attempts, controls, open, settle: () => settle(clock) };
}

async function settle(clock: ManualClock): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await clock.advance(0);
  }
}

/** Says hello, and accepts what was asked for in the opening. */
function greet(attempt: Attempt, position = 5): void {
  attempt.hello(`e.${position}`);
  for (const { address, key } of attempt.opening.entries)
    attempt.subscribed(address, position, { key: key! });
}

describe('tabs of one identity', () => {
  it('are live through one connection, and each gets every event once', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    greet(world.attempts[0]!);
    const second = world.open();
    await world.settle();
    const { key } = world.controls[0]!.add[0]!;
    world.attempts[0]!.subscribed('a', 5, { key, n: 1 });
    world.attempts[0]!.send('a', 'one', 'e.6.5');
    await world.settle();
    expect(world.attempts).toHaveLength(1);
    expect([first.got, second.got]).toEqual([['one'], ['one']]);
  });

  it('go on from where each stood when the leader crashes', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    greet(world.attempts[0]!);
    const second = world.open();
    await world.settle();
    world.attempts[0]!.subscribed('a', 5, { key: world.controls[0]!.add[0]!.key, n: 1 });
    world.attempts[0]!.send('a', 'one', 'e.6.5');
    await world.settle();
    first.tab.crash();
    await world.settle();
    await world.clock.advance(500);
    await world.settle();
    expect(world.attempts[1]!.opening.entries).toMatchObject([{ address: 'a', from: 'e.6' }]);
    greet(world.attempts[1]!, 6);
    world.attempts[1]!.send('a', 'two', 'e.7.6');
    await world.settle();
    expect(second.got).toEqual(['one', 'two']);
  });

  it('take the place of a leader that is frozen', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    greet(world.attempts[0]!);
    await world.settle();
    first.tab.freeze();
    world.open();
    await world.settle();
    expect(world.attempts).toHaveLength(1);
    await world.clock.advance(1_300);
    await world.settle();
    expect(world.attempts).toHaveLength(2);
    first.tab.thaw();
    await world.settle();
    expect(world.attempts[0]!.closed).toBe(true);
  });

  it('come back at once when the leader leaves', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    greet(world.attempts[0]!);
    world.open();
    await world.settle();
    first.close();
    await world.settle();
    await world.clock.advance(500);
    await world.settle();
    expect(world.attempts[0]!.closed).toBe(true);
    expect(world.attempts[1]!.closed).toBe(false);
  });
});

it('tabs of different identities share nothing', async () => {
  const world = createWorld();
  world.open('ada');
  world.open('bob');
  await world.settle();
  expect(world.attempts).toHaveLength(2);
});

it('a tab that is refused a lock has a connection of its own', async () => {
  const world = createWorld();
  const tab = world.browser.openTab();
  tab.refusesLocks = true;
  const { got } = world.open('ada', tab);
  await world.settle();
  greet(world.attempts[0]!);
  world.attempts[0]!.send('a', 'one', 'e.6.5');
  await world.settle();
  expect(got).toEqual(['one']);
});

it('a refusal reaches the tab that asked, and no other', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  greet(world.attempts[0]!);
  const second = world.open();
  await world.settle();
  const { address, key } = world.controls[0]!.add[0]!;
  const answer = { address, key, n: 1, code: 'forbidden', message: 'No.', retryable: false };
  world.attempts[0]!.send(FRAME.error, answer);
  world.attempts[0]!.send('a', 'one', 'e.6.5');
  await world.settle();
  expect([first.got, second.got]).toEqual([['one'], []]);
});

it('leaves no lock, channel, timer or connection behind', async () => {
  const world = createWorld();
  const tabs = [world.open(), world.open()];
  await world.settle();
  greet(world.attempts[0]!);
  await world.settle();
  for (const { close } of tabs) close();
  await world.settle();
  expect(world.browser.leftovers()).toEqual({ locks: [], channels: 0 });
  expect(world.attempts.every(({ closed }) => closed)).toBe(true);
  expect(world.clock.pending).toBe(0);
});
