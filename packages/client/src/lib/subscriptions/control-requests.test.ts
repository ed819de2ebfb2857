import { LinefeedError } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { createScriptTransport, RETRYABLE } from '../../../test/scripted-transport.ts';

describe('changes of an open connection', () => {
  it('a control request adds a subscription from now, and events are routed by the answered event name', async () => {
    const script = await connected();
    const added = await script.request('b', { params: { x: 1 } });
    expect(script.controls).toEqual([
      { connection: 'connection-1', n: 1, add: [{ address: 'b?x=1', key: '2', from: 'now' }], remove: [] },
    ]);
    script.last().subscribed('b?x=1', 9, { event: 'b?x=01', n: 1 });
    await added.ready;
    script.last().send('b?x=01', 'y', 'e.10.0');
    expect(added.got).toEqual(['y']);
    expect(script.attempts).toHaveLength(1);
  });

  it('a control request adds a subscription from now when no cursor is known yet', async () => {
    const script = createScript();
    await script.request('a', { from: 'old.1' });
    // A gap is still to be announced, so `hello` has no id.
    script.last().hello();
    await script.request('b');
    expect(script.controls).toMatchObject([{ add: [{ address: 'b', key: '2', from: 'now' }] }]);
  });

  it('a control request uses the control method of a transport that has one', async () => {
    const { transport, attempts } = createScriptTransport();
    const sent: unknown[] = [];
    const script = createScript({
      transport: (opening, sink) => ({
        ...transport(opening, sink),
        control: async (request) => sent.push(request) && 202,
      }),
    });
    await script.request('a');
    attempts[0]!.hello('e.5');
    await script.request('b');
    expect(sent).toMatchObject([{ connection: 'connection-1', n: 1, add: [{ address: 'b', key: '2' }] }]);
    expect(script.controls).toEqual([]);
  });

  it('one control request is in flight, and the next one collects later changes', async () => {
    const script = await connected();
    await script.request('b');
    await script.request('c');
    await script.request('d');
    expect(script.controls).toHaveLength(1);
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, add: [{ address: 'c' }, { address: 'd' }] });
  });

  it('an event name is kept while another requested address needs it', async () => {
    const script = await connected();
    const upper = script.listen('p', { params: { s: 'A' } });
    const { got } = await script.request('p', { params: { s: 'a' } });
    script.last().subscribed('p?s=A', 5, { event: 'p?s=A', n: 1 });
    script.last().subscribed('p?s=a', 5, { event: 'p?s=A', n: 1 });
    upper();
    await script.clock.advance(5_000);
    expect(script.controls).toHaveLength(1);
    script.last().send('p?s=A', 1, 'e.6.0');
    expect(got).toEqual([1]);
  });

  it('an event name is not removed while a pending answer may need it', async () => {
    const script = createScript({ lingerMs: 0 });
    script.listen('z');
    const stop = script.listen('a');
    const kept = await script.request('a', { from: 'earliest' });
    script.last().hello('e.5');
    script.last().subscribed('z', 5, { key: '1' });
    script.last().subscribed('a', 5, { key: '2' });
    stop();
    await script.clock.advance(1);
    expect(script.controls).toEqual([]);
    script.last().subscribed('a', 0, { key: '3', rewind: true });
    await script.clock.advance(1);
    expect(script.controls).toEqual([]);
    kept();
    await script.clock.advance(1);
    expect(script.controls).toEqual([{ connection: 'connection-1', n: 1, add: [], remove: ['a'] }]);
  });

  it('an address is kept when one subscription leaves while another one is replayed', async () => {
    const script = createScript({ lingerMs: 0 });
    const stop = await script.request('a');
    script.last().hello('e.5');
    script.last().subscribed('a', 5, { key: '1' });
    const { got } = await script.request('a', { from: 'e.2' });
    stop();
    await script.clock.advance(1);
    script.last().subscribed('a', 2, { key: '2', n: 1, rewind: true });
    script.last().send('a', 4, 'e.4.2');
    await script.clock.advance(1);
    expect(got).toEqual([4]);
    expect(script.errors).toEqual([]);
    expect(script.attempts).toHaveLength(1);
    expect(script.controls).toHaveLength(1);
  });

  it('a stream is ended at once when it is unsubscribed', async () => {
    const script = await connected();
    const stop = await script.request('report');
    script.last().acceptStream('report', '2', 1);
    stop();
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, remove: ['report~2'] });
  });

  it('an address that is unsubscribed before its acceptance is removed after it', async () => {
    const script = await connected();
    const stop = await script.request('b');
    stop();
    await expect(stop.ready).rejects.toMatchObject({ code: 'closed' });
    await script.clock.advance(1_000);
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, add: [], remove: ['b'] });
  });

  it('the connection is idle after the last subscription has ended', async () => {
    const script = createScript();
    const stop = script.listen('a');
    await script.accept();
    stop();
    await script.clock.advance(1_000);
    expect(script.last().closed).toBe(true);
    expect(script.state()).toMatchObject({ state: 'idle', reason: 'unsubscribed' });
    expect(script.clock.pending).toBe(0);
  });

  for (const [name, leave] of [
    ['no answer arrives within 5 s', (script: Script) => script.clock.advance(5_000)],
    ['the connection is lost', async (script: Script) => script.last().lose()],
    ['the client is closed', async (script: Script) => script.client.close()],
  ] as const) {
    it(`a pending control request is aborted when ${name}`, async () => {
      const signals: AbortSignal[] = [];
      const script = await connected('a', {
        fetch: (_url, init) =>
          new Promise((_resolve, reject) => {
            const signal = init!.signal!;
            signals.push(signal);
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      });
      await script.request('b');
      expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
      await leave(script);
      expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
      // The aborted request's rejection does not affect the next connection.
      await script.clock.advance(600);
      expect(script.attempts.length).toBe(name === 'the client is closed' ? 1 : 2);
    });
  }

  it('the next control request waits for the in-band answer and the HTTP status of the one before', async () => {
    const answers: Array<(response: Response) => void> = [];
    const script = await connected('a', { fetch: () => new Promise((resolve) => answers.push(resolve)) });
    await script.request('b');
    script.listen('c');
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(answers).toHaveLength(1);
    answers[0]!(new Response('', { status: 202 }));
    await script.settle();
    expect(answers).toHaveLength(2);
  });

  for (const [name, happen] of [
    ['409', async () => {}],
    ['503', async () => {}],
    ['no answer within 5 s', async (script: Script) => script.clock.advance(5_000)],
  ] as const) {
    it(`the client opens another connection with the new list after ${name}`, async () => {
      const script = await connected();
      script.controlStatus = Number(name) || 202;
      await script.request('b');
      await happen(script);
      await script.clock.advance(500);
      expect(script.attempts).toHaveLength(2);
      expect(script.last().opening).toMatchObject({
        cursor: 'e.5',
        entries: [
          { address: 'a', key: '1' },
          { address: 'b', from: 'now' },
        ],
      });
      expect(script.state().reason).toBe('retry');
    });
  }
});

describe('answers to requests', () => {
  it('a late answer to an old control request does not release the next one', async () => {
    const script = await connected();
    for (const topic of ['b', 'c']) await script.request(topic);
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    await script.request('d');
    // A duplicate, as from a server that received the request twice.
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(script.controls).toHaveLength(2);
    script.last().subscribed('c', 5, { n: 2 });
    await script.settle();
    expect(script.controls[2]).toMatchObject({ n: 3, add: [{ address: 'd' }] });
  });

  it('an answer for a lost connection does not end the next connection', async () => {
    let answer = (_response: Response) => {};
    const script = await connected('a', { fetch: () => new Promise((resolve) => (answer = resolve)) });
    await script.request('b');
    await script.cut();
    script.last().hello('e.5', { connection: 'connection-2' });
    answer(new Response('', { status: 409 }));
    await script.clock.advance(1_000);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().closed).toBe(false);
  });

  it('a subscription made just before its connection fails is requested by the next one', async () => {
    const script = createScript();
    const log: string[] = [];
    const first = await script.request('a');
    script.last().hello('e.5');
    const second = script.listen('b', { onError: () => log.push('b') });
    script.last().lose({ error: new LinefeedError('http_status', 'Gone.', { status: 410 }) });
    await script.settle();
    expect(first.getSnapshot().status).toBe('failed');
    expect(second.getSnapshot().status).toBe('subscribing');
    expect(log).toEqual([]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toMatchObject([{ address: 'a' }, { address: 'b' }]);
  });

  it('subscriptions that a 204 has ended are not requested by a later connection', async () => {
    const script = await connected();
    await script.cut();
    script.last().lose({ over: true });
    await script.request('b');
    expect(script.last().opening.entries).toMatchObject([{ address: 'b' }]);
    expect(script.last().opening.entries).toHaveLength(1);
  });

  it('a temporarily refused entry does not delay the removal of other addresses', async () => {
    const script = createScript({ lingerMs: 0 });
    script.listen('z');
    const stop = script.listen('a');
    await script.request('b');
    script.last().hello('e.5');
    for (const topic of ['z', 'a']) script.last().subscribed(topic, 5);
    script.last().refuse('b', RETRYABLE);
    stop();
    await script.clock.advance(1);
    expect(script.controls).toMatchObject([{ add: [], remove: ['a'] }]);
  });
});
