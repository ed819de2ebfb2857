import { it } from 'vitest';
import {
  createClient,
  eventSourceTransport,
  persistCursor,
  type Client,
  type ClientOptions,
} from '@linefeed/client';
import type { AnyChannel } from '@linefeed/shared';
import { ClientSession, expectRecord } from './session.ts';

const ignore = (): void => undefined;

type Subscribe = (topic: string, ...rest: readonly unknown[]) => () => void;

function start(
  session: ClientSession,
  options: Partial<ClientOptions> = {},
): { readonly client: Client<AnyChannel>; readonly subscribe: Subscribe } {
  const client = createClient<AnyChannel>({
    url: 'http://feed.test/events',
    clock: session.clock,
    fetch: session.fetch,
    onError: ignore,
    onGap: ignore,
    ...options,
  });
  return { client, subscribe: client.subscribe as unknown as Subscribe };
}

it('the requests of a client that subscribes, unsubscribes and resumes are those of the record', async () => {
  const session = new ClientSession();
  const { client, subscribe } = start(session);
  const stops: Record<string, () => void> = {};
  await session.step('subscribe to four addresses', () => {
    stops['notice'] = subscribe('notice', ignore);
    stops['room'] = subscribe('room', { name: 'a & ü', floor: 2 }, ignore);
    stops['other'] = subscribe('other', ignore, { from: 'earliest' });
    subscribe('price', { symbol: 'A' }, ignore, { from: 'e.2' });
  });
  await session.step('accept them', () =>
    session.last.accept('e.0', {
      notice: 5,
      'room?floor=2&name=a%20%26%20%C3%BC': 5,
      other: 0,
      'price?symbol=A': 2,
    }),
  );
  await session.step('send events', () =>
    session.last.send(
      ['other', { n: 1 }, 'e.1.0'],
      ['price?symbol=A', { bid: 1 }, 'e.3'],
      ['notice', { text: 'a' }, 'e.6.0'],
    ),
  );
  await session.step('subscribe late, to a new and to a present address', () => {
    subscribe('room', { name: 'b' }, ignore);
    stops['second'] = subscribe('notice', ignore);
  });
  await session.step('accept it', () =>
    session.last.send([
      'linefeed.subscribed',
      { address: 'room?name=b', event: 'room?floor=0&name=b', n: 1, cursor: 'e.6', tail: 'e.6' },
    ]),
  );
  await session.step('subscribe late with history', () => {
    stops['history'] = subscribe('history', ignore, { from: 'earliest' });
  });
  await session.step('accept it as a rewind', () =>
    session.last.send(
      [
        'linefeed.subscribed',
        { address: 'history', event: 'history', n: 2, cursor: 'e.0', tail: 'e.6', rewind: true },
      ],
      ['history', 1, 'e.2.0'],
    ),
  );
  await session.step('unsubscribe', () => {
    stops['room']!();
    stops['second']!();
  });
  await session.pass(999);
  await session.pass(1);
  await session.step('confirm the removal', () =>
    session.last.send(['linefeed.end', { address: 'room?floor=2&name=a%20%26%20%C3%BC', n: 3 }]),
  );
  await session.step('unsubscribe and subscribe again', () => {
    stops['other']!();
    stops['other'] = subscribe('other', ignore);
  });
  await session.pass(1_000);
  await session.step('end the response', () => session.last.end());
  await session.pass(1_000);
  await session.step('accept all of them', () =>
    session.last.accept('e.6', {
      notice: 6,
      other: 1,
      'price?symbol=A': 3,
      'room?floor=0&name=b': 6,
      history: 2,
    }),
  );
  await session.step('tell the client to reconnect', () =>
    session.last.send(
      ['linefeed.bookmark', {}, 'e.9'],
      ['linefeed.reconnect', { afterMs: 2_000, reason: 'drain' }],
    ),
  );
  await session.pass(1_999);
  await session.pass(1);
  await session.step('accept with a gap', () => {
    session.last.accept(undefined, { notice: 9 });
    session.last.send(
      ['linefeed.gap', { address: 'notice', from: 'e.9', to: 'f.3', reason: 'epoch' }],
      ['linefeed.bookmark', {}, 'f.3'],
    );
  });
  await session.pass(36_000);
  await session.step('close', () => client.close());
  expectRecord(session, 'requests');
});

it('the requests of a client with streams are those of the record', async () => {
  const session = new ClientSession();
  const { client, subscribe } = start(session);
  let stop: () => void = ignore;
  await session.step('subscribe to two streams and a topic', () => {
    subscribe('report', { year: 2026 }, ignore);
    subscribe('tick', ignore);
    subscribe('notice', ignore);
  });
  await session.step('accept them, send events', () => {
    session.last.accept('e.0', { notice: 0 });
    session.last.send(
      ['linefeed.subscribed', { address: 'report~1', event: 'report~1', key: '1' }],
      ['linefeed.subscribed', { address: 'tick~2', event: 'tick~2', key: '2' }],
      ['report~1', { step: 1 }, 'e.0~a%21%7Eb'],
      ['tick~2', 1, 'e.0~'],
    );
  });
  await session.step('end the response', () => session.last.end());
  await session.pass(1_000);
  await session.step('accept them, end the report', () => {
    session.last.accept('e.0', { notice: 0 });
    session.last.send(
      ['linefeed.subscribed', { address: 'report~1', event: 'report~1', key: '1' }],
      [
        'linefeed.error',
        { address: 'tick~2', key: '2', code: 'not_resumable', message: 'no', retryable: false },
      ],
      ['linefeed.end', { address: 'report~1', key: '1' }, 'e.0~!'],
    );
  });
  await session.step('subscribe a third stream', () => {
    stop = subscribe('report', { year: 2027 }, ignore, { from: 'x7' });
  });
  await session.step('accept it, send an event, fail it for now', () =>
    session.last.send(
      ['linefeed.subscribed', { address: 'report~4', event: 'report~4', key: '4', n: 1 }],
      ['report~4', { step: 8 }, 'e.0~x8'],
      [
        'linefeed.error',
        { address: 'report~4', key: '4', code: 'source_failed', message: 'no', retryable: true },
      ],
    ),
  );
  await session.pass(3_000);
  await session.step('accept it again', () =>
    session.last.send(['linefeed.subscribed', { address: 'report~4', event: 'report~4', key: '4', n: 2 }]),
  );
  await session.step('unsubscribe', () => stop());
  await session.pass(1_000);
  await session.step('close', () => client.close());
  expectRecord(session, 'requests-of-streams');
});

it('the requests of a client that is refused are those of the record', async () => {
  const session = new ClientSession();
  let token = 0;
  const { client, subscribe } = start(session, {
    url: 'http://feed.test/events?tenant=x',
    credentials: 'include',
    headers: async () => ({ Authorization: `Bearer ${(token += 1)}`, 'X-Tenant': 'ü'.normalize('NFC') }),
  });
  session.answers.push(
    { status: 503, headers: { 'retry-after': '3' } },
    { status: 401 },
    {
      status: 500,
      headers: { 'content-type': 'application/problem+json' },
      body: '{"code":"server_failed"}',
    },
  );
  await session.step('subscribe', () => {
    subscribe('notice', ignore);
  });
  await session.pass(3_000);
  await session.pass(1_000);
  await session.step('accept', () => session.last.accept('e.0', { notice: 0 }));
  session.controlStatuses.push(409);
  await session.step('subscribe late; the server does not know the connection', () => {
    subscribe('other', ignore);
  });
  await session.pass(2_000);
  session.answers.push({ status: 403, headers: { 'linefeed-code': 'forbidden' } });
  await session.step('end the response', () => session.last.end());
  await session.pass(5_000);
  await session.step('reconnect', () => client.reconnect());
  await session.step('close', () => client.close());
  expectRecord(session, 'requests-of-a-refused-client');
});

it('the requests of a client with a long list are those of the record', async () => {
  const session = new ClientSession();
  const { client, subscribe } = start(session);
  await session.step('subscribe to 60 addresses', () => {
    for (let n = 1; n <= 60; n += 1) subscribe('room', { name: `a room with the number ${n}` }, ignore);
    subscribe('report', { year: 2026 }, ignore);
  });
  await session.step('accept one', () =>
    session.last.accept('e.4', { 'room?name=a%20room%20with%20the%20number%201': 4 }),
  );
  await session.step('end the response', () => session.last.end());
  await session.pass(1_000);
  await session.step('close', () => client.close());
  expectRecord(session, 'requests-of-a-long-list');
});

it('the requests of a client with a persisted cursor are those of the record', async () => {
  const session = new ClientSession();
  const items = new Map<string, string>();
  const storage = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem(key: string, value: string) {
      session.note(`stores ${JSON.stringify([key, value])}`);
      items.set(key, value);
    },
  };
  const options = { persist: persistCursor({ storage, identity: 'ann' }) };
  const first = start(session, options);
  await session.step('subscribe', () => {
    first.subscribe('notice', ignore);
    first.subscribe('other', ignore, { from: 'earliest' });
  });
  await session.step('accept', () => {
    session.last.accept('e.0', { notice: 5, other: 0 });
    session.last.send(['other', { n: 1 }, 'e.3.0'], ['notice', { text: 'a' }, 'e.6.0']);
  });
  await session.pass(1_000);
  await session.step('close', () => first.client.close());
  const second = start(session, options);
  await session.step('subscribe after a reload', () => {
    second.subscribe('notice', ignore);
    second.subscribe('other', ignore);
    second.subscribe('room', { name: 'a' }, ignore);
  });
  await session.step('close', () => second.client.close());
  expectRecord(session, 'requests-with-a-persisted-cursor');
});

it('the requests of a client with EventSource are those of the record', async () => {
  const session = new ClientSession();
  const sources: FakeEventSource[] = [];
  class FakeEventSource extends EventTarget {
    constructor(url: string, init: { withCredentials: boolean }) {
      super();
      session.note(`new EventSource(${JSON.stringify(url)}, ${JSON.stringify(init)})`);
      sources.push(this);
    }
    #isClosed = false;
    close(): void {
      if (!this.#isClosed) session.note('closes the EventSource');
      this.#isClosed = true;
    }
    send(event: string, payload: unknown, lastEventId: string): void {
      this.dispatchEvent(new MessageEvent(event, { data: JSON.stringify(payload), lastEventId }));
    }
  }
  const { client, subscribe } = start(session, {
    transport: eventSourceTransport({ EventSource: FakeEventSource as unknown as typeof EventSource }),
    credentials: 'include',
  });
  await session.step('subscribe', () => {
    subscribe('notice', ignore);
    subscribe('report', { year: 2026 }, ignore);
  });
  session.answers.push({ status: 503, headers: { 'retry-after': '1' } });
  await session.step('fail before hello', () => sources[0]!.dispatchEvent(new Event('error')));
  await session.pass(1_500);
  await session.step('accept', () => {
    const hello = { protocol: 1, connection: 'c', pingMs: 15_000, timeoutMs: 35_000, maxDurationMs: 0 };
    sources.at(-1)!.send('linefeed.hello', hello, 'e.1');
    sources
      .at(-1)!
      .send('linefeed.subscribed', { address: 'notice', event: 'notice', cursor: 'e.1', tail: 'e.1' }, 'e.1');
    sources.at(-1)!.send('notice', { text: 'a' }, 'e.2.0');
  });
  await session.step('subscribe late', () => {
    subscribe('other', ignore);
  });
  await session.step('fail after hello', () => sources.at(-1)!.dispatchEvent(new Event('error')));
  await session.pass(1_000);
  await session.step('close', () => client.close());
  expectRecord(session, 'requests-of-event-source');
});
