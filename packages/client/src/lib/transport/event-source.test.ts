import type { AnyChannel, LinefeedError } from '@linefeed/shared';
import { FRAME, parseEntry, type ControlRequest } from '@linefeed/shared/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HELLO } from '../../../test/frames.ts';
import { createClient, type ClientOptions } from '../client/client.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { eventSourceTransport } from './event-source.ts';

afterEach(() => vi.unstubAllGlobals());

/** An EventSource whose server is the test. */
class ScriptedEventSource extends EventTarget {
  static opened: ScriptedEventSource[] = [];
  readonly url: string;
  readonly withCredentials: boolean;
  closed = false;
  #lastEventId = '';

  constructor(url: string, init: EventSourceInit) {
    super();
    this.url = url;
    this.withCredentials = init.withCredentials ?? false;
    ScriptedEventSource.opened.push(this);
  }

  close(): void {
    this.closed = true;
  }

  /** Like a browser: no event after `close`, and a frame without an id keeps the last id. */
  send(event: string, payload: unknown, id = this.#lastEventId): void {
    if (this.closed) return;
    this.#lastEventId = id;
    this.dispatchEvent(new MessageEvent(event, { data: JSON.stringify(payload), lastEventId: id }));
  }

  fail(): void {
    if (!this.closed) this.dispatchEvent(new Event('error'));
  }
}

async function open(options: Partial<ClientOptions> = {}, status = 200) {
  ScriptedEventSource.opened = [];
  const clock = createManualClock(1_000_000);
  const requests: string[] = [];
  const got: unknown[] = [];
  const client = createClient<AnyChannel>({
    url: '/events',
    clock,
    onError: () => {},
    transport: eventSourceTransport({ EventSource: ScriptedEventSource as unknown as typeof EventSource }),
    fetch: async (url, init) => {
      requests.push(`${init?.method} ${url as string}`);
      return new Response(null, { status, headers: { 'content-type': 'text/event-stream' } });
    },
    ...options,
  });
  client.subscribe('a', (payload: unknown) => got.push(payload));
  await clock.advance(0);
  const last = () => ScriptedEventSource.opened.at(-1)!;
  return {
    client,
    clock,
    requests,
    got,
    last,
    state: () => client.connection.getSnapshot(),
    connect() {
      last().send(FRAME.hello, HELLO, 'e.0');
      last().send(FRAME.subscribed, { address: 'a', event: 'a', cursor: 'e.0', tail: 'e.0' });
    },
  };
}

describe('eventSourceTransport', () => {
  it('eventSourceTransport sends the list in the query, and listens for the event names of the server', async () => {
    const scene = await open({ credentials: 'include' });
    expect(scene.last()).toMatchObject({
      url: '/events?topic=a%3Ffrom%3Dnow%26key%3D1',
      withCredentials: true,
    });
    scene.last().send(FRAME.hello, HELLO, 'e.0');
    scene.last().send(FRAME.subscribed, { address: 'a', event: 'a?x=1', cursor: 'e.0' });
    scene.last().send('a?x=1', 'yes', 'e.1.0');
    expect(scene.got).toEqual(['yes']);
    expect(scene.client.cursor).toBe('e.1');
  });

  it('eventSourceTransport ignores an id that a control frame inherited', async () => {
    const scene = await open();
    scene.connect();
    scene.last().send('a', 1, 'e.1.0');
    scene.last().send(FRAME.ping, {});
    expect(scene.client.cursor).toBe('e.1');
  });

  it('eventSourceTransport closes on the first error, and opens again with the cursor in the query', async () => {
    const scene = await open();
    scene.connect();
    scene.last().send('a', 1, 'e.1.0');
    scene.last().fail();
    expect(scene.last().closed).toBe(true);
    expect(scene.state()).toMatchObject({ state: 'reconnecting', reason: 'network' });
    await scene.clock.advance(500);
    expect(scene.last().url).toBe('/events?topic=a%3Fkey%3D1&last_event_id=e.1');
    expect(scene.requests).toEqual([]);
  });

  it('eventSourceTransport closes on a second hello, which a reconnection by the browser causes', async () => {
    const scene = await open();
    scene.connect();
    const first = scene.last();
    first.send(FRAME.hello, HELLO, 'e.0');
    expect(first.closed).toBe(true);
    expect(scene.state().state).toBe('reconnecting');
  });

  it('eventSourceTransport treats an event named error as an event', async () => {
    const scene = await open();
    scene.connect();
    scene.last().send('error', {}, 'e.1.0');
    expect(scene.state().state).toBe('connected');
  });

  for (const [status, state] of [
    [200, 'reconnecting'],
    [502, 'reconnecting'],
    [403, 'failed'],
    [204, 'closed'],
  ] as const) {
    it(`eventSourceTransport sends HEAD after a failure before hello: ${status} leads to ${state}`, async () => {
      const scene = await open({}, status);
      scene.last().fail();
      await scene.clock.advance(0);
      expect(scene.requests).toEqual(['HEAD /events?topic=a%3Ffrom%3Dnow%26key%3D1']);
      expect(scene.state().state).toBe(state);
    });
  }

  it('eventSourceTransport reads the code of a refusal from the head, because HEAD has no body', async () => {
    const headers = { 'content-type': 'application/problem+json', 'linefeed-code': 'unknown_topic' };
    const scene = await open({ fetch: async () => new Response(null, { status: 404, headers }) });
    scene.last().fail();
    await scene.clock.advance(0);
    expect(scene.state()).toMatchObject({ state: 'failed', error: { code: 'unknown_topic', status: 404 } });
  });

  it('eventSourceTransport adds to an open connection by POST', async () => {
    const scene = await open({}, 202);
    scene.connect();
    const added = scene.client.subscribe('b', () => {});
    await scene.clock.advance(0);
    expect(scene.requests).toEqual(['POST /events']);
    scene.last().send(FRAME.subscribed, { address: 'b', event: 'b', cursor: 'e.0', n: 1 });
    await added.ready;
  });

  it('eventSourceTransport closes when a queue is full, and resumes later', async () => {
    const scene = await open({ maxQueuedEvents: 2 }, 202);
    let finish = () => {};
    scene.client.subscribe('b', () => new Promise<void>((resolve) => (finish = resolve)));
    scene.connect();
    await scene.clock.advance(0);
    scene.last().send(FRAME.subscribed, { address: 'b', event: 'b', cursor: 'e.0', n: 1 });
    for (const position of [1, 2, 3, 4]) scene.last().send('b', position, `e.${position}.${position - 1}`);
    expect(scene.state()).toMatchObject({ state: 'suspended', reason: 'queue' });
    expect(ScriptedEventSource.opened).toHaveLength(1);
    finish();
    await scene.clock.advance(0);
    expect(scene.last().url).toContain('last_event_id=e.3');
  });

  for (const [name, EventSource, says] of [
    ['there is no EventSource', undefined, 'There is no EventSource here: use fetchTransport()'],
    [
      'EventSource refuses the url',
      function refuse() {
        throw new SyntaxError('bad url');
      },
      'EventSource refuses /events',
    ],
  ] as const) {
    it(`eventSourceTransport fails with a clear message when ${name}`, async () => {
      vi.stubGlobal('EventSource', EventSource);
      const errors: LinefeedError[] = [];
      const scene = await open({
        transport: eventSourceTransport(),
        onError: (error) => errors.push(error),
      });
      expect(scene.state()).toMatchObject({ state: 'failed', error: { code: 'invalid_option' } });
      expect(scene.state().error!.message).toContain(says);
      expect(errors).toEqual([scene.state().error]);
    });
  }

  it('eventSourceTransport closes before its HEAD request, so that the browser does not reconnect meanwhile', async () => {
    let closed: boolean | undefined;
    const scene = await open({
      fetch: async () => {
        closed = scene.last().closed;
        return new Response(null, { status: 403 });
      },
    });
    scene.last().fail();
    await scene.clock.advance(0);
    expect(closed).toBe(true);
  });

  it('eventSourceTransport refuses headers and a url that is too long, with a message that names the fix', async () => {
    const withHeaders = await open({ headers: { authorization: 'x' } });
    expect(withHeaders.state()).toMatchObject({ state: 'failed', error: { code: 'invalid_option' } });
    expect(withHeaders.state().error!.message).toContain('fetchTransport()');
    const scene = await open({ url: `/${'x'.repeat(8_000)}` });
    expect(scene.state()).toMatchObject({ state: 'failed', error: { code: 'invalid_option' } });
    expect(scene.state().error!.message).toContain('8000');
  });

  it('eventSourceTransport opens with the entries that fit in a url, and adds the rest after hello from their positions', async () => {
    const controls: ControlRequest[] = [];
    const scene = await open({
      fetch: async (_url, init) => {
        controls.push(JSON.parse(init?.body as string) as ControlRequest);
        return new Response('', { status: 202 });
      },
    });
    scene.connect();
    const topics = Array.from({ length: 249 }, (_, index) => `a-topic-with-a-long-name-of-its-own-${index}`);
    const got: unknown[] = [];
    for (const topic of topics) scene.client.subscribe(topic, (payload: unknown) => got.push(payload));
    await scene.clock.advance(0);
    const accept = ({ add = [], n }: { add?: ControlRequest['add']; n?: number }, cursor: string) => {
      for (const { address, key } of add)
        scene.last().send(FRAME.subscribed, { address, key, event: address, cursor, tail: cursor, n });
    };
    accept(controls[0]!, 'e.0');
    scene.client.subscribe('never-accepted', () => {});
    scene.last().send('a', 1, 'e.5.0');
    scene.last().fail();
    await scene.clock.advance(500);
    const { url } = scene.last();
    expect(url.length).toBeLessThanOrEqual(8_000);
    expect(url.length).toBeGreaterThan(7_000);
    const opened = new URL(url, 'http://x').searchParams
      .getAll('topic')
      .map((entry) => parseEntry(entry)!.address);
    controls.length = 0;
    scene.last().send(FRAME.hello, HELLO, 'e.5');
    for (const address of opened)
      scene.last().send(FRAME.subscribed, { address, event: address, cursor: 'e.5', tail: 'e.9' });
    // An event arrives while the other entries are being added.
    scene.last().send('a', 2, 'e.9.5');
    await scene.clock.advance(0);
    expect(controls).toHaveLength(1);
    const added = controls[0]!.add!;
    expect([...opened, ...added.map(({ address }) => address)].toSorted()).toEqual(
      ['a', 'never-accepted', ...topics].toSorted(),
    );
    // Everything up to e.5 was received for them, so they do not start at e.9.
    expect(new Set(added.map(({ address, from }) => (address === 'never-accepted' ? 'new' : from)))).toEqual(
      new Set(['e.5', 'new']),
    );
    expect(added.find(({ address }) => address === 'never-accepted')!.from).toBe('now');
    const { address } = added[0]!;
    scene.last().send(FRAME.subscribed, {
      address,
      event: address,
      cursor: 'e.5',
      tail: 'e.9',
      rewind: true,
      n: 1,
    });
    scene.last().send(address, 'missed', 'e.8.0');
    expect(got).toEqual(['missed']);
    expect(scene.state().state).toBe('connected');
  });

  it('eventSourceTransport doubles the timeout for a frame that takes longer, up to eight times', async () => {
    const scene = await open();
    scene.connect();
    const diedAfter = async () => {
      let ms = 0;
      while (scene.state().state === 'connected') {
        await scene.clock.advance(1_000);
        ms += 1_000;
      }
      await scene.clock.advance(5_000);
      scene.connect();
      return ms;
    };
    const lives: number[] = [];
    for (let round = 0; round < 5; round += 1) lives.push(await diedAfter());
    expect(lives).toEqual([35_000, 70_000, 140_000, 280_000, 280_000]);
    await scene.clock.advance(200_000);
    // An event after the opening proves that frames get through. The next frame has the usual timeout.
    scene.last().send('a', 'large', 'e.1.0');
    scene.last().fail();
    await scene.clock.advance(5_000);
    scene.connect();
    expect(await diedAfter()).toBe(35_000);
    scene.last().send(FRAME.ping, {});
    expect(await diedAfter()).toBe(70_000);
    expect(await diedAfter()).toBe(35_000);
  });
});
