import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createBrowser, type BrowserTab } from '../../../test/browser.ts';
import { HELLO } from '../../../test/frames.ts';
import { createScriptTransport, type Attempt } from '../../../test/scripted-transport.ts';
import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import { createManualClock, type ManualClock } from '../base/clock.ts';
import { createClient } from '../client/client.ts';
import type { Transport } from '../transport/transport.ts';
import { createTab } from './leader-election.ts';

interface OpenOptions {
  readonly topic?: string;
  readonly maxQueuedEvents?: number;
  readonly headers?: HeadersInit;
  readonly handler?: () => unknown;
}

function createWorld({ openOnly }: { readonly openOnly?: number } = {}) {
  const clock = createManualClock(1_000_000);
  const browser = createBrowser();
  const { transport: scripted, attempts } = createScriptTransport();
  const transport: Transport = (opening, sink) => {
    if (openOnly !== undefined) opening.openOnly?.(openOnly);
    return scripted(opening, sink);
  };
  const controls: Array<{ add: Array<{ address: string; key: string; from: string }>; remove: string[] }> =
    [];
  const signals: Array<AbortSignal | undefined> = [];
  const open = (
    identity = 'ada',
    tab: BrowserTab = browser.openTab(),
    { topic = 'a', maxQueuedEvents, headers, handler = () => {} }: OpenOptions = {},
  ) => {
    const sharing = createTab({
      base: transport,
      name: identity,
      clock,
      connectTimeoutMs: 10_000,
      surroundings: tab.surroundings,
    });
    const got: unknown[] = [];
    const errors: string[] = [];
    const client = createClient<AnyChannel>({
      url: '/events',
      clock,
      transport: sharing.transport,
      headers,
      maxQueuedEvents,
      onError: ({ code }) => errors.push(code),
      fetch: async (_url, init) => {
        signals.push(init?.signal ?? undefined);
        controls.push(JSON.parse(init?.body as string));
        return new Response('', { status: world.controlStatus });
      },
    });
    client.subscribe(topic, (payload: unknown) => {
      got.push(payload);
      return handler();
    });
    const close = () => {
      client.close();
      sharing.close();
    };
    return { tab, client, got, errors, close };
  };
  const world = {
    clock,
    browser,
    attempts,
    controls,
    signals,
    controlStatus: 202,
    open,
    settle: () => settle(clock),
  };
  return world;
}

async function settle(clock: ManualClock): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await clock.advance(0);
  }
}

function compareText(a: string | undefined, b: string | undefined): number {
  return String(a).localeCompare(String(b));
}

/** Returns the id of the nth event after position 5. */
function idOf(n: number): string {
  return `e.${(n + 5).toString(36)}.${(n + 4).toString(36)}`;
}

/** Sends `hello` and accepts all entries of the opening. */
function greet(attempt: Attempt, position = 5): void {
  attempt.hello(`e.${position}`);
  for (const { address, key } of attempt.opening.entries)
    attempt.subscribed(address, position, { key: key! });
}

describe('tabs of one identity', () => {
  it('tabs share one connection, and each tab gets every event once', async () => {
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

  it('each tab resumes from its own position when the leader crashes', async () => {
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

  it('a tab becomes the leader when the leader is frozen', async () => {
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

  it('a tab reconnects at once when the leader leaves', async () => {
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

it('tabs drop events that are replayed for another tab, and every tab keeps its own position', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  upstream.send('a', 'one', 'e.6.5');
  await world.settle();
  const { client, got, errors } = world.open();
  const past: unknown[] = [];
  client.subscribe('a', (payload: unknown) => past.push(payload), { from: 'earliest' });
  await world.settle();
  const answer = (from: string, position: number, rewind?: true) => {
    const { key } = world.controls[0]!.add.find((entry) => entry.from === from)!;
    upstream.subscribed('a', position, { key, n: 1, tail: 'e.6', ...(rewind && { rewind }) });
  };
  answer('earliest', 0, true);
  answer('now', 6);
  // A tab that joins now gets the same order.
  const third = world.open();
  await world.settle();
  upstream.subscribed('a', 6, { key: world.controls[1]!.add[0]!.key, n: 2, tail: 'e.6' });
  upstream.send('a', 'zero', 'e.3.0');
  upstream.send(FRAME.bookmark, {}, 'e.9');
  await world.settle();
  upstream.lose();
  await world.settle();
  await world.clock.advance(1_000);
  await world.settle();
  world.attempts[1]!.hello('e.3');
  await world.settle();
  // The connection's cursor has advanced and does not cover the rewinding address.
  const asked = [world.attempts[1]!.opening.entries, ...world.controls.slice(2).map(({ add }) => add)].flat();
  expect(asked.map(({ from }) => from).toSorted(compareText)).toEqual(['e.3', 'e.6', 'e.6', 'e.6']);
  expect([first.got, got, third.got, past, errors.filter((code) => code !== 'network')]).toEqual([
    ['one'],
    [],
    [],
    ['zero'],
    [],
  ]);
});

it('a tab that joins an address after its replay shares the cursor', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  upstream.hello('e.3');
  upstream.subscribed('a', 3, { key: upstream.opening.entries[0]!.key!, rewind: true });
  upstream.send(FRAME.caughtup, { address: 'a' });
  world.open();
  await world.settle();
  upstream.subscribed('a', 5, { key: world.controls[0]!.add[0]!.key, n: 1 });
  upstream.send(FRAME.bookmark, {}, 'e.9');
  await world.settle();
  upstream.lose();
  await world.clock.advance(1_000);
  await world.settle();
  world.attempts[1]!.hello('e.9');
  await world.settle();
  const asked = [world.attempts[1]!.opening.entries, ...world.controls.slice(1).map(({ add }) => add)].flat();
  expect(asked.map(({ from }) => from)).toEqual(['e.9', 'e.9']);
});

it('an event name that one tab leaves stays subscribed when another tab is accepted with it', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const leaving = world.open('ada', undefined, { topic: 'p' });
  await world.settle();
  upstream.subscribed('p', 5, { event: 'P', key: world.controls[0]!.add[0]!.key, n: 1 });
  const { got } = world.open('ada', undefined, { topic: 'q' });
  await world.settle();
  leaving.close();
  await world.settle();
  upstream.subscribed('q', 5, { event: 'P', key: world.controls[1]!.add[0]!.key, n: 2 });
  upstream.send('P', 'one', 'e.6.0');
  await world.settle();
  expect(got).toEqual(['one']);
  expect(world.controls).toHaveLength(2);
});

it('an event name is kept while an unanswered entry of the opening request may get the same name', async () => {
  const world = createWorld();
  const leaving = world.open('ada', undefined, { topic: 'p' });
  const staying = world.open('ada', undefined, { topic: 'q' });
  await world.settle();
  const upstream = world.attempts[0]!;
  upstream.hello('e.5');
  const [p, q] = upstream.opening.entries;
  upstream.subscribed('p', 5, { event: 'P', key: p!.key! });
  await world.settle();
  // Closes the connection, not the tab, because this tab leads.
  leaving.client.close();
  await world.settle();
  upstream.subscribed('q', 5, { event: 'P', key: q!.key! });
  upstream.send('P', 'one', 'e.6.0');
  await world.settle();
  expect([staying.got, world.controls]).toEqual([['one'], []]);
});

it('an address that a tab has left is removed on its acceptance, and an unsent one is never requested', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const leaving = world.open('ada', undefined, { topic: 'b' });
  await world.settle();
  // This tab joins while the request for `b` is in flight.
  const hasty = world.open('ada', undefined, { topic: 'c' });
  await world.settle();
  hasty.close();
  leaving.close();
  await world.settle();
  upstream.subscribed('b', 5, { key: world.controls[0]!.add[0]!.key, n: 1 });
  await world.settle();
  expect(world.controls.slice(1)).toMatchObject([{ add: [], remove: ['b'] }]);
});

it('an address of a closed tab is removed when the opening request is accepted for it', async () => {
  const world = createWorld();
  world.open();
  const leaving = world.open('ada', undefined, { topic: 'b' });
  await world.settle();
  const upstream = world.attempts[0]!;
  upstream.hello('e.5');
  const [a, b] = upstream.opening.entries;
  upstream.subscribed('a', 5, { key: a!.key! });
  leaving.close();
  await world.settle();
  expect(world.controls).toEqual([]);
  upstream.subscribed('b', 5, { key: b!.key! });
  await world.settle();
  expect(world.controls).toMatchObject([{ add: [], remove: ['b'] }]);
});

describe('a refused opening request', () => {
  const refusal = () => ({ error: new LinefeedError('unauthorized', 'No.', { status: 403 }) });

  it('a refused opening request fails the leader, and the next tab opens with its own headers', async () => {
    const world = createWorld();
    const first = world.open('ada', undefined, { headers: { authorization: 'old' } });
    const second = world.open('ada', undefined, { headers: { authorization: 'new' } });
    await world.settle();
    world.attempts[0]!.lose(refusal());
    await world.settle();
    expect(first.client.connection.getSnapshot().state).toBe('failed');
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.attempts.map(({ opening }) => opening.headers)).toEqual([
      { authorization: 'old' },
      { authorization: 'new' },
    ]);
    greet(world.attempts[1]!);
    world.attempts[1]!.send('a', 'one', 'e.6.5');
    await world.settle();
    expect([first.got, second.got]).toEqual([[], ['one']]);
    // A new tab is not refused because of the first tab's headers either.
    const third = world.open();
    await world.settle();
    world.attempts[1]!.subscribed('a', 6, { key: world.controls[0]!.add[0]!.key, n: 1 });
    world.attempts[1]!.send('a', 'two', 'e.7.6');
    await world.settle();
    expect([third.got, world.attempts.length]).toEqual([['two'], 2]);
  });

  it('a refused opening request fails every tab in turn when none is allowed, and then requests stop', async () => {
    const world = createWorld();
    const tabs = [world.open(), world.open(), world.open()];
    for (let turn = 0; turn < 3; turn += 1) {
      await world.clock.advance(1_000);
      await world.settle();
      world.attempts[turn]!.lose(refusal());
    }
    await world.clock.advance(60_000);
    await world.settle();
    expect(tabs.map(({ client }) => client.connection.getSnapshot().state)).toEqual([
      'failed',
      'failed',
      'failed',
    ]);
    expect(world.attempts).toHaveLength(3);
  });

  it('a single tab opens again at once on reconnect() after a refused opening request', async () => {
    const world = createWorld();
    const { client, got } = world.open();
    await world.settle();
    world.attempts[0]!.lose(refusal());
    await world.settle();
    client.reconnect();
    await world.settle();
    greet(world.attempts[1]!);
    world.attempts[1]!.send('a', 'one', 'e.6.5');
    await world.settle();
    expect(got).toEqual(['one']);
  });

  it('a refused opening request does not fail an entry that was added later', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    const second = world.open('ada', first.tab, { topic: 'b' });
    await world.settle();
    world.attempts[0]!.lose(refusal());
    await world.clock.advance(1_000);
    await world.settle();
    expect(first.client.connection.getSnapshot().state).toBe('failed');
    greet(world.attempts[1]!);
    world.attempts[1]!.send('b', 'one', 'e.6.5');
    await world.settle();
    expect(second.got).toEqual(['one']);
  });
});

describe('many entries', () => {
  const TOPICS = Array.from({ length: 250 }, (_, n) => `t${n}`);

  it('the leading tab sends many entries in parts of 100, in the opening request and later', async () => {
    const world = createWorld();
    const { client } = world.open();
    const stops = TOPICS.map((topic) => client.subscribe(topic, () => {}));
    await world.settle();
    const upstream = world.attempts[0]!;
    expect(upstream.opening.entries).toHaveLength(100);
    greet(upstream);
    for (const [index, length] of [100, 51].entries()) {
      await world.settle();
      const { add } = world.controls[index]!;
      expect(add).toHaveLength(length);
      for (const { address, key } of add) upstream.subscribed(address, 5, { key, n: index + 1 });
    }
    await world.settle();
    expect(new Set(stops.map(({ getSnapshot }) => getSnapshot().status))).toEqual(new Set(['subscribed']));
    expect(world.controls).toHaveLength(2);
  });

  it('the leading tab adds entries for which the opening request of the transport has no room', async () => {
    const world = createWorld({ openOnly: 1 });
    const { client } = world.open();
    const other = client.subscribe('b', () => {});
    await world.settle();
    const upstream = world.attempts[0]!;
    const [first, second] = upstream.opening.entries;
    upstream.hello('e.5');
    upstream.subscribed('a', 5, { key: first!.key! });
    await world.settle();
    expect(world.controls[0]!.add).toEqual([second]);
    upstream.subscribed('b', 5, { key: second!.key!, n: 1 });
    await world.settle();
    expect(other.getSnapshot().status).toBe('subscribed');
  });

  it('a tab that is refused with too_many_subscriptions continues on a private connection', async () => {
    const world = createWorld();
    const first = world.open();
    await world.settle();
    greet(world.attempts[0]!);
    const crowded = world.open();
    await world.settle();
    const { address, key } = world.controls[0]!.add[0]!;
    const refused = { code: 'too_many_subscriptions', message: 'One more.', retryable: false };
    world.attempts[0]!.send(FRAME.error, { address, key, n: 1, ...refused });
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.attempts).toHaveLength(2);
    greet(world.attempts[1]!);
    for (const attempt of world.attempts) attempt.send('a', 'one', 'e.6.5');
    await world.settle();
    expect([first.got, crowded.got]).toEqual([['one'], ['one']]);
    // On a private connection the tab gets the error itself.
    const { key: own } = world.attempts[1]!.opening.entries[0]!;
    world.attempts[1]!.send(FRAME.error, { address, key: own, ...refused });
    await world.settle();
    expect(crowded.errors).toContain('too_many_subscriptions');
  });
});

it('a tab whose change is refused continues on a private connection, and the shared one stays open', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  greet(world.attempts[0]!);
  world.controlStatus = 405;
  const second = world.open();
  await world.settle();
  await world.clock.advance(500);
  await world.settle();
  expect(world.controls).toHaveLength(1);
  expect(world.attempts.map(({ closed }) => closed)).toEqual([false, false]);
  greet(world.attempts[1]!);
  for (const attempt of world.attempts) attempt.send('a', 'one', 'e.6.5');
  await world.settle();
  expect([first.got, second.got]).toEqual([['one'], ['one']]);
});

it('the retry value of the server applies to all tabs, also to later ones', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  world.attempts[0]!.sink.onRetry(8_000);
  await world.settle();
  greet(world.attempts[0]!);
  await world.settle();
  const later = world.open();
  await world.settle();
  world.attempts[0]!.lose();
  await world.settle();
  await world.clock.advance(500);
  await world.settle();
  world.attempts[1]!.lose();
  await world.settle();
  const waits = [first, later].map(({ client }) => client.connection.getSnapshot().retryInMs);
  // Random number 0.5: half of the bound after the first tab's second failure, and after the other tab's first.
  expect(waits).toEqual([8_000, 4_000]);
});

it('a reconnect frame applies to all tabs, and one of them opens the next connection', async () => {
  const world = createWorld();
  const tabs = [world.open(), world.open()];
  await world.settle();
  greet(world.attempts[0]!);
  world.attempts[0]!.send(FRAME.reconnect, { afterMs: 0, reason: 'lifetime' });
  await world.settle();
  await world.clock.advance(1_000);
  await world.settle();
  expect(world.attempts.map(({ closed }) => closed)).toEqual([true, false]);
  greet(world.attempts[1]!);
  const [later] = world.controls;
  world.attempts[1]!.subscribed('a', 5, { key: later!.add[0]!.key, n: 1 });
  world.attempts[1]!.send('a', 'one', 'e.6.5');
  await world.settle();
  expect(tabs.map(({ got }) => got)).toEqual([['one'], ['one']]);
});

it('a change of one tab is answered with its own number, and once for each entry', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const { client, errors } = world.open();
  await world.settle();
  const answer = () => {
    const n = world.controls.length;
    for (const { address, key } of world.controls.at(-1)!.add) upstream.subscribed(address, 5, { key, n });
  };
  answer();
  // The tab's request numbers differ from those upstream: so far the tab has sent only its opening.
  for (const topic of ['b', 'c', 'd']) {
    const stop = client.subscribe(topic, () => {});
    await world.settle();
    answer();
    if (topic === 'c') stop();
  }
  await world.clock.advance(1_000);
  await world.settle();
  expect(world.controls.at(-1)).toMatchObject({ add: [], remove: ['c'] });
  upstream.send(FRAME.end, { address: 'c', n: world.controls.length });
  // After 5 s without an answer, the client would have opened another connection.
  await world.clock.advance(6_000);
  await world.settle();
  const { state, connectionCount } = client.connection.getSnapshot();
  expect([errors, state, connectionCount]).toEqual([[], 'connected', 1]);
});

it('a stream that has ended is not unsubscribed again', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const { client } = world.open('ada', undefined, { topic: 'run' });
  await world.settle();
  const { key } = world.controls[0]!.add[0]!;
  const event = `run~${key}`;
  upstream.send(FRAME.subscribed, { address: event, event, key, n: 1 });
  upstream.send(FRAME.end, { address: event, key }, '~!');
  await world.settle();
  client.close();
  await world.settle();
  expect(world.controls).toHaveLength(1);
});

it('tabs of different identities do not share a connection', async () => {
  const world = createWorld();
  world.open('ada');
  world.open('bob');
  await world.settle();
  expect(world.attempts).toHaveLength(2);
});

it('a tab whose lock request is refused uses a private connection', async () => {
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

it('a tab with a slow handler pauses alone, and resumes from its own cursor', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const finish: Array<() => void> = [];
  const handler = () => new Promise<void>((resolve) => finish.push(resolve));
  const slow = world.open('ada', undefined, { maxQueuedEvents: 2, handler });
  await world.settle();
  upstream.subscribed('a', 5, { key: world.controls[0]!.add[0]!.key, n: 1 });
  for (const position of [6, 7, 8, 9]) upstream.send('a', position, `e.${position}.${position - 1}`);
  await world.settle();
  expect(first.got).toEqual([6, 7, 8, 9]);
  expect(slow.client.connection.getSnapshot()).toMatchObject({ state: 'suspended', reason: 'queue' });
  for (let handled = 0; handled < 2; handled += 1) {
    finish.shift()!();
    await world.settle();
  }
  expect(world.controls.at(-1)!.add).toMatchObject([{ address: 'a', from: 'e.8' }]);
  expect(world.attempts).toHaveLength(1);
  expect(upstream.closed).toBe(false);
});

it('a tab reconnects alone when more than 1,000 frames wait in it for an answer', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  const upstream = world.attempts[0]!;
  greet(upstream);
  const { client, got } = world.open();
  client.subscribe('b', () => {});
  await world.settle();
  const [a, b] = world.controls[0]!.add;
  upstream.subscribed('a', 5, { key: a!.key, n: 1 });
  // `hello` and the answer are held as well.
  for (let n = 1; n <= 998; n += 1) upstream.send('a', n, idOf(n));
  await world.settle();
  expect(client.connection.getSnapshot().error).toBe(undefined);
  upstream.send('a', 999, idOf(999));
  await world.settle();
  expect(client.connection.getSnapshot().error?.message).toBe('Too much came before what was asked for.');
  expect([first.got.length, got.length, upstream.closed]).toEqual([999, 0, false]);
  upstream.subscribed('b', 5, { key: b!.key, n: 1 });
  await world.settle();
  expect(world.controls[1]).toMatchObject({ add: [], remove: ['b'] });
  upstream.send(FRAME.end, { address: 'b', n: 2 });
  await world.clock.advance(2_000);
  await world.settle();
  expect(world.controls[2]!.add.map(({ address }) => address)).toEqual(['a', 'b']);
});

it('a tab that joins gets the newest event of keep: latest, and the other tabs do not get it twice', async () => {
  const world = createWorld();
  const first = world.open('ada', undefined, { topic: 'price' });
  await world.settle();
  const upstream = world.attempts[0]!;
  upstream.hello();
  upstream.subscribed('price', 0, { key: upstream.opening.entries[0]!.key!, tail: 'e.5' });
  upstream.send('price', 'old', 'e.4');
  upstream.send('price', 'newest', 'e.5');
  const { got } = world.open('ada', undefined, { topic: 'price' });
  await world.settle();
  const { key } = world.controls[0]!.add[0]!;
  upstream.subscribed('price', 0, { key, n: 1, tail: 'e.5', rewind: true });
  upstream.send('price', 'newest', 'e.5');
  upstream.send(FRAME.caughtup, { address: 'price' });
  upstream.send('price', 'next', 'e.6');
  await world.settle();
  expect(got).toEqual(['newest', 'next']);
  expect(first.got).toEqual(['old', 'newest', 'next']);
});

it('a tab that was delayed reads the waiting answer of the leader before it takes over', async () => {
  const world = createWorld();
  const first = world.open();
  await world.settle();
  greet(world.attempts[0]!);
  first.tab.freeze();
  const second = world.open();
  await world.settle();
  second.tab.freeze();
  first.tab.thaw();
  await world.settle();
  // A busy page runs a due timer before a message that has already arrived.
  world.clock.sleep(2_000);
  await world.clock.advance(0);
  second.tab.thaw();
  await world.clock.advance(1_500);
  await world.settle();
  expect(first.client.connection.getSnapshot()).toMatchObject({ state: 'connected', connectionCount: 1 });
  expect(world.attempts.map(({ closed }) => closed)).toEqual([false]);
});

it('a silent shared connection is replaced when a tab reconnects to it', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  greet(world.attempts[0]!);
  await world.clock.advance(HELLO.pingMs + 4_000);
  world.open();
  await world.settle();
  expect(world.attempts).toHaveLength(1);
  await world.clock.advance(1_000);
  const { got } = world.open();
  await world.settle();
  expect(world.attempts[0]!.closed).toBe(true);
  await world.clock.advance(1_000);
  await world.settle();
  const replacement = world.attempts[1]!;
  greet(replacement, 6);
  replacement.send('a', 'one', 'e.7.6');
  await world.settle();
  expect(got).toEqual(['one']);
});

it('a refusal reaches only the tab that sent the request', async () => {
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

it('a control request of the leader is aborted when its connection is lost', async () => {
  const world = createWorld();
  world.open();
  await world.settle();
  greet(world.attempts[0]!);
  world.open();
  await world.settle();
  expect(world.signals.map((signal) => signal?.aborted)).toEqual([false]);
  world.attempts[0]!.lose();
  await world.settle();
  expect(world.signals[0]!.aborted).toBe(true);
});

it('closed tabs leave no lock, channel, timer or connection', async () => {
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
