import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createTabs, led, type Tabs } from '../../../test/tabs.ts';

function compareText(a: string | undefined, b: string | undefined): number {
  return String(a).localeCompare(String(b));
}

/** Returns each `from` that the latest connection requests. `earlier` is the number of control requests before it. */
function requestedFroms(tabs: Tabs, earlier: number): Array<string | undefined> {
  const later = tabs.controls.slice(earlier).flatMap(({ add }) => add);
  return [...tabs.last().opening.entries, ...later].map(({ from }) => from);
}

it('tabs drop events that are replayed for another tab, and every tab keeps its own position', async () => {
  const tabs = await led();
  const { leader, upstream } = tabs;
  await tabs.send('a', 'one', 'e.6.5');
  const { client, got, errors } = tabs.open();
  const past: unknown[] = [];
  client.subscribe('a', (payload: unknown) => past.push(payload), { from: 'earliest' });
  await tabs.settle();
  const answer = (from: string, position: number, rewind?: true) => {
    const { key } = tabs.controls[0]!.add.find((entry) => entry.from === from)!;
    upstream.subscribed('a', position, { key, n: 1, tail: 'e.6', ...(rewind && { rewind }) });
  };
  answer('earliest', 0, true);
  answer('now', 6);
  // A tab that joins now gets the same order.
  const third = await tabs.join({}, 6);
  upstream.send('a', 'zero', 'e.3.0');
  await tabs.send(FRAME.bookmark, {}, 'e.9');
  upstream.lose();
  await tabs.settle();
  await tabs.advance(1_000);
  tabs.last().hello('e.3');
  await tabs.settle();
  // The connection's cursor has advanced and does not cover the rewinding address.
  expect(requestedFroms(tabs, 2).toSorted(compareText)).toEqual(['e.3', 'e.6', 'e.6', 'e.6']);
  expect([leader.got, got, third.got, past, errors.filter((code) => code !== 'network')]).toEqual([
    ['one'],
    [],
    [],
    ['zero'],
    [],
  ]);
});

it('a tab that joins an address after its replay shares the cursor', async () => {
  const tabs = createTabs();
  await tabs.request();
  const upstream = tabs.attempts[0]!;
  upstream.hello('e.3');
  upstream.subscribed('a', 3, { key: upstream.opening.entries[0]!.key!, rewind: true });
  upstream.send(FRAME.caughtup, { address: 'a' });
  await tabs.join();
  await tabs.send(FRAME.bookmark, {}, 'e.9');
  upstream.lose();
  await tabs.advance(1_000);
  tabs.last().hello('e.9');
  await tabs.settle();
  expect(requestedFroms(tabs, 1)).toEqual(['e.9', 'e.9']);
});

it('an event name that one tab leaves stays subscribed when another tab is accepted with it', async () => {
  const tabs = await led();
  const { upstream } = tabs;
  const leaving = await tabs.request({ topic: 'p' });
  upstream.subscribed('p', 5, { event: 'P', key: tabs.controls[0]!.add[0]!.key, n: 1 });
  const { got } = await tabs.request({ topic: 'q' });
  leaving.close();
  await tabs.settle();
  upstream.subscribed('q', 5, { event: 'P', key: tabs.controls[1]!.add[0]!.key, n: 2 });
  await tabs.send('P', 'one', 'e.6.0');
  expect(got).toEqual(['one']);
  expect(tabs.controls).toHaveLength(2);
});

it('an event name is kept while an unanswered entry of the opening request may get the same name', async () => {
  const tabs = createTabs();
  const leaving = tabs.open({ topic: 'p' });
  const staying = await tabs.request({ topic: 'q' });
  const upstream = tabs.last();
  upstream.hello('e.5');
  const [p, q] = upstream.opening.entries;
  upstream.subscribed('p', 5, { event: 'P', key: p!.key! });
  await tabs.settle();
  // Closes the connection, not the tab, because this tab leads.
  leaving.client.close();
  await tabs.settle();
  upstream.subscribed('q', 5, { event: 'P', key: q!.key! });
  await tabs.send('P', 'one', 'e.6.0');
  expect([staying.got, tabs.controls]).toEqual([['one'], []]);
});

it('an address that a tab has left is removed on its acceptance, and an unsent one is never requested', async () => {
  const tabs = await led();
  const leaving = await tabs.request({ topic: 'b' });
  // This tab joins while the request for `b` is in flight.
  const hasty = await tabs.request({ topic: 'c' });
  hasty.close();
  leaving.close();
  await tabs.settle();
  tabs.answer();
  await tabs.settle();
  expect(tabs.controls.slice(1)).toMatchObject([{ add: [], remove: ['b'] }]);
});

it('an address of a closed tab is removed when the opening request is accepted for it', async () => {
  const tabs = createTabs();
  tabs.open();
  const leaving = await tabs.request({ topic: 'b' });
  const upstream = tabs.last();
  upstream.hello('e.5');
  const [a, b] = upstream.opening.entries;
  upstream.subscribed('a', 5, { key: a!.key! });
  leaving.close();
  await tabs.settle();
  expect(tabs.controls).toEqual([]);
  upstream.subscribed('b', 5, { key: b!.key! });
  await tabs.settle();
  expect(tabs.controls).toMatchObject([{ add: [], remove: ['b'] }]);
});

describe('many entries', () => {
  const TOPICS = Array.from({ length: 250 }, (_, n) => `t${n}`);

  it('the leading tab sends many entries in parts of 100, in the opening request and later', async () => {
    const tabs = createTabs();
    const { client } = tabs.open();
    const stops = TOPICS.map((topic) => client.subscribe(topic, () => {}));
    await tabs.settle();
    const upstream = tabs.last();
    expect(upstream.opening.entries).toHaveLength(100);
    upstream.accept();
    for (const [index, length] of [100, 51].entries()) {
      await tabs.settle();
      expect(tabs.controls[index]!.add).toHaveLength(length);
      tabs.answer();
    }
    await tabs.settle();
    expect(new Set(stops.map(({ getSnapshot }) => getSnapshot().status))).toEqual(new Set(['subscribed']));
    expect(tabs.controls).toHaveLength(2);
  });

  it('the leading tab adds entries for which the opening request of the transport has no room', async () => {
    const tabs = createTabs({ openOnly: 1 });
    const { client } = tabs.open();
    const other = client.subscribe('b', () => {});
    await tabs.settle();
    const upstream = tabs.last();
    const [first, second] = upstream.opening.entries;
    upstream.hello('e.5');
    upstream.subscribed('a', 5, { key: first!.key! });
    await tabs.settle();
    expect(tabs.controls[0]!.add).toEqual([second]);
    upstream.subscribed('b', 5, { key: second!.key!, n: 1 });
    await tabs.settle();
    expect(other.getSnapshot().status).toBe('subscribed');
  });
});

it('the retry value of the server applies to all tabs, also to later ones', async () => {
  const tabs = createTabs();
  const first = await tabs.request();
  tabs.last().sink.onRetry(8_000);
  await tabs.settle();
  tabs.last().accept();
  await tabs.settle();
  const later = await tabs.request();
  tabs.last().lose();
  await tabs.settle();
  await tabs.advance(500);
  tabs.last().lose();
  await tabs.settle();
  const waits = [first, later].map(({ state }) => state().retryInMs);
  // Random number 0.5: half of the bound after the first tab's second failure, and after the other tab's first.
  expect(waits).toEqual([8_000, 4_000]);
});

it('a reconnect frame applies to all tabs, and one of them opens the next connection', async () => {
  const tabs = createTabs();
  const opened = [tabs.open(), tabs.open()];
  await tabs.settle();
  tabs.last().accept();
  await tabs.send(FRAME.reconnect, { afterMs: 0, reason: 'lifetime' });
  await tabs.advance(1_000);
  expect(tabs.attempts.map(({ closed }) => closed)).toEqual([true, false]);
  tabs.last().accept();
  tabs.answer();
  await tabs.send('a', 'one', 'e.6.5');
  expect(opened.map(({ got }) => got)).toEqual([['one'], ['one']]);
});

it('a change of one tab is answered with its own number, and once for each entry', async () => {
  const tabs = await led();
  const { upstream } = tabs;
  const { client, errors, state: stateOf } = await tabs.join();
  // The tab's request numbers differ from those upstream: so far the tab has sent only its opening.
  for (const topic of ['b', 'c', 'd']) {
    const stop = client.subscribe(topic, () => {});
    await tabs.settle();
    tabs.answer();
    if (topic === 'c') stop();
  }
  await tabs.advance(1_000);
  expect(tabs.controls.at(-1)).toMatchObject({ add: [], remove: ['c'] });
  upstream.send(FRAME.end, { address: 'c', n: tabs.controls.length });
  // After 5 s without an answer, the client would have opened another connection.
  await tabs.advance(6_000);
  const { state, connectionCount } = stateOf();
  expect([errors, state, connectionCount]).toEqual([[], 'connected', 1]);
});

it('a stream that has ended is not unsubscribed again', async () => {
  const tabs = await led();
  const { upstream } = tabs;
  const { client } = await tabs.request({ topic: 'run' });
  const { key } = tabs.controls[0]!.add[0]!;
  const event = `run~${key}`;
  upstream.send(FRAME.subscribed, { address: event, event, key, n: 1 });
  await tabs.send(FRAME.end, { address: event, key }, '~!');
  client.close();
  await tabs.settle();
  expect(tabs.controls).toHaveLength(1);
});

it('a tab that joins gets the newest event of keep: latest, and the other tabs do not get it twice', async () => {
  const tabs = createTabs();
  const first = await tabs.request({ topic: 'price' });
  const upstream = tabs.last();
  upstream.hello();
  upstream.subscribed('price', 0, { key: upstream.opening.entries[0]!.key!, tail: 'e.5' });
  upstream.send('price', 'old', 'e.4');
  upstream.send('price', 'newest', 'e.5');
  const { got } = await tabs.request({ topic: 'price' });
  const { key } = tabs.controls[0]!.add[0]!;
  upstream.subscribed('price', 0, { key, n: 1, tail: 'e.5', rewind: true });
  upstream.send('price', 'newest', 'e.5');
  upstream.send(FRAME.caughtup, { address: 'price' });
  await tabs.send('price', 'next', 'e.6');
  expect(got).toEqual(['newest', 'next']);
  expect(first.got).toEqual(['old', 'newest', 'next']);
});

it('a refusal reaches only the tab that sent the request', async () => {
  const tabs = await led();
  const second = await tabs.request();
  const { address, key } = tabs.controls[0]!.add[0]!;
  tabs.last().refuse(address, { key, n: 1 });
  await tabs.send('a', 'one', 'e.6.5');
  expect([tabs.leader.got, second.got]).toEqual([['one'], []]);
});

it('a control request of the leader is aborted when its connection is lost', async () => {
  const tabs = await led();
  await tabs.request();
  expect(tabs.signals.map((signal) => signal?.aborted)).toEqual([false]);
  tabs.last().lose();
  await tabs.settle();
  expect(tabs.signals[0]!.aborted).toBe(true);
});
