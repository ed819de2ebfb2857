import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createScript, createScriptTransport, type Script } from '../../../test/scripted-transport.ts';

const FORBIDDEN = { code: 'forbidden', message: 'No.', retryable: false };

/** Subscribes to topics and connects; each topic is accepted at position 5. */
async function connect(script: Script, ...topics: string[]): Promise<Record<string, unknown[]>> {
  const got: Record<string, unknown[]> = {};
  for (const topic of topics) {
    got[topic] = [];
    script.client.subscribe(topic, (payload: unknown) => got[topic]!.push(payload));
  }
  await script.settle();
  script.last().hello('e.5');
  for (const topic of topics) script.last().subscribed(topic, 5);
  return got;
}

describe('the opening request', () => {
  it('the opening request collects the subscriptions of one tick', async () => {
    const script = createScript();
    await connect(script, 'a', 'b');
    expect(script.attempts).toHaveLength(1);
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '1' },
      { address: 'b', key: '2' },
    ]);
  });

  it('a subscription that ends in its first tick opens no connection', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {})();
    await script.settle();
    expect(script.attempts).toHaveLength(0);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('the opening request has the params in the address, sorted', async () => {
    const script = createScript();
    script.client.subscribe('price', { symbol: 'A&B', at: { y: 1, x: [true] } }, () => {});
    await script.settle();
    expect(script.last().opening.entries[0]!.address).toBe(
      'price?at=%7B%22x%22%3A%5Btrue%5D%2C%22y%22%3A1%7D&symbol=A%26B',
    );
  });

  it('several subscriptions to a logged address share one entry', async () => {
    const script = createScript();
    const got: string[] = [];
    script.client.subscribe('a', (payload: string) => got.push(`first ${payload}`));
    script.client.subscribe('a', (payload: string) => got.push(`second ${payload}`));
    await script.settle();
    expect(script.last().opening.entries).toHaveLength(1);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    const third = script.client.subscribe('a', (payload: string) => got.push(`third ${payload}`));
    await third.ready;
    script.last().send('a', 'x', 'e.6.0');
    expect(got).toEqual(['first x', 'second x', 'third x']);
    expect(script.controls).toEqual([]);
  });

  it('each subscription to a stream has a run of its own', async () => {
    const script = createScript();
    const got: string[] = [];
    script.client.subscribe('report', () => got.push('first'));
    const second = script.client.subscribe('report', () => got.push('second'));
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'report', key: '1' }]);
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    await script.settle();
    expect(script.controls[0]).toMatchObject({ n: 1, add: [{ address: 'report', key: '2' }], remove: [] });
    script.last().send(FRAME.subscribed, { address: 'report~2', event: 'report~2', key: '2', n: 1 });
    await second.ready;
    script.last().send('report~2', {}, '~1');
    expect(got).toEqual(['second']);
  });

  it('a handler gets the address, topic, params, id and replayed flag of an event', async () => {
    const script = createScript();
    const infos: unknown[] = [];
    script.client.subscribe('price', { symbol: 'acme' }, (_payload: unknown, event: unknown) =>
      infos.push(event),
    );
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('price?symbol=acme', 5, { event: 'price?symbol=ACME', tail: 'e.7' });
    script.last().send('price?symbol=ACME', 1, 'e.7.5');
    script.last().send('price?symbol=ACME', 2, 'e.8.7');
    const common = { address: 'price?symbol=ACME', topic: 'price', params: { symbol: 'acme' } };
    expect(infos).toEqual([
      { ...common, id: 'e.7', replayed: true },
      { ...common, id: 'e.8', replayed: false },
    ]);
  });

  it('a handler gets the event ids of the source of a stream', async () => {
    const script = createScript();
    const ids: unknown[] = [];
    script.client.subscribe('report', (_payload: unknown, { id }: { id: string | undefined }) =>
      ids.push(id),
    );
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, 'e.9~step%201');
    script.last().send('report~1', 1, 'e.9~');
    expect(ids).toEqual(['step 1', undefined]);
  });
});

it('a topic with a lone surrogate is refused, and the other subscriptions continue', async () => {
  const script = createScript();
  const errors: LinefeedError[] = [];
  script.client.subscribe('a', () => {});
  script.client.subscribe('\ud800', () => {}, { onError: (error) => errors.push(error) });
  await script.settle();
  expect(errors).toMatchObject([{ code: 'invalid_option', retryable: false }]);
  expect(script.last().opening.entries).toMatchObject([{ address: 'a' }]);
});

describe('values that no request can contain', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;

  it.each<[string, object, string | undefined, string]>([
    ['params with a lone surrogate', { symbol: '\ud800' }, undefined, 'invalid_params'],
    ['params with a bigint', { symbol: 1n }, undefined, 'invalid_params'],
    ['cyclic params', { symbol: cyclic }, undefined, 'invalid_params'],
    ['a from with a lone surrogate', { symbol: 'A' }, '\ud800', 'invalid_option'],
  ])('subscribe() returns before onError reports the refusal of %s', async (_, params, from, code) => {
    const script = createScript();
    const errors: LinefeedError[] = [];
    const subscription = script.client.subscribe('price', params, () => {}, {
      ...(from !== undefined && { from }),
      onError: (error) => errors.push(error),
    });
    expect(errors).toEqual([]);
    await expect(subscription.ready).rejects.toMatchObject({ code, retryable: false });
    await script.settle();
    expect(errors).toMatchObject([{ code }]);
    expect(subscription.getSnapshot()).toMatchObject({ status: 'failed', error: { code } });
    const iterator = script.client.iterate('price', { params, ...(from !== undefined && { from }) });
    await expect(iterator.next()).rejects.toMatchObject({ code });
    expect(script.attempts).toHaveLength(0);
  });
});

describe('changes of an open connection', () => {
  it('a control request adds a subscription from now, and events are routed by the answered event name', async () => {
    const script = createScript();
    await connect(script, 'a');
    const got: unknown[] = [];
    const added = script.client.subscribe('b', { x: 1 }, (payload: unknown) => got.push(payload));
    await script.settle();
    expect(script.controls).toEqual([
      { connection: 'connection-1', n: 1, add: [{ address: 'b?x=1', key: '2', from: 'now' }], remove: [] },
    ]);
    script.last().subscribed('b?x=1', 9, { event: 'b?x=01', n: 1 });
    await added.ready;
    script.last().send('b?x=01', 'y', 'e.10.0');
    expect(got).toEqual(['y']);
    expect(script.attempts).toHaveLength(1);
  });

  it('a control request adds a subscription from now when no cursor is known yet', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {}, { from: 'old.1' });
    await script.settle();
    // A gap is still to be announced, so `hello` has no id.
    script.last().hello();
    script.client.subscribe('b', () => {});
    await script.settle();
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
    script.client.subscribe('a', () => {});
    await script.settle();
    attempts[0]!.hello('e.5');
    script.client.subscribe('b', () => {});
    await script.settle();
    expect(sent).toMatchObject([{ connection: 'connection-1', n: 1, add: [{ address: 'b', key: '2' }] }]);
    expect(script.controls).toEqual([]);
  });

  it('one control request is in flight, and the next one collects later changes', async () => {
    const script = createScript();
    await connect(script, 'a');
    script.client.subscribe('b', () => {});
    await script.settle();
    script.client.subscribe('c', () => {});
    await script.settle();
    script.client.subscribe('d', () => {});
    await script.settle();
    expect(script.controls).toHaveLength(1);
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, add: [{ address: 'c' }, { address: 'd' }] });
  });

  it('an address is removed lingerMs after its last subscription has ended', async () => {
    const script = createScript();
    await connect(script, 'a');
    const first = script.client.subscribe('b', () => {});
    const second = script.client.subscribe('b', () => {});
    await script.settle();
    script.last().subscribed('b', 5, { n: 1 });
    first();
    await script.clock.advance(5_000);
    second();
    await script.clock.advance(999);
    expect(script.controls).toHaveLength(1);
    await script.clock.advance(1);
    expect(script.controls[1]).toEqual({ connection: 'connection-1', n: 2, add: [], remove: ['b'] });
    script.last().send(FRAME.end, { address: 'b', n: 2 });
    await script.clock.advance(10_000);
    expect(script.attempts).toHaveLength(1);
  });

  it('a subscription within the linger time sends no request', async () => {
    const script = createScript();
    await connect(script, 'a');
    const first = script.client.subscribe('b', () => {});
    await script.settle();
    script.last().subscribed('b', 5, { n: 1 });
    first();
    await script.clock.advance(900);
    const again = script.client.subscribe('b', () => {});
    await again.ready;
    await script.clock.advance(5_000);
    expect(script.controls).toHaveLength(1);
  });

  it('an event name is kept while another requested address needs it', async () => {
    const script = createScript();
    const got: unknown[] = [];
    await connect(script, 'a');
    const upper = script.client.subscribe('p', { s: 'A' }, () => {});
    script.client.subscribe('p', { s: 'a' }, (payload: unknown) => got.push(payload));
    await script.settle();
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
    script.client.subscribe('z', () => {});
    const stop = script.client.subscribe('a', () => {});
    const kept = script.client.subscribe('a', () => {}, { from: 'earliest' });
    await script.settle();
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
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5, { key: '1' });
    const got: unknown[] = [];
    script.client.subscribe('a', (payload) => got.push(payload), { from: 'e.2' });
    await script.settle();
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
    const script = createScript();
    await connect(script, 'a');
    const stop = script.client.subscribe('report', () => {});
    await script.settle();
    script.last().send(FRAME.subscribed, { address: 'report~2', event: 'report~2', key: '2', n: 1 });
    stop();
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, remove: ['report~2'] });
  });

  it('an address that is unsubscribed before its acceptance is removed after it', async () => {
    const script = createScript();
    await connect(script, 'a');
    const stop = script.client.subscribe('b', () => {});
    await script.settle();
    stop();
    await expect(stop.ready).rejects.toMatchObject({ code: 'closed' });
    await script.clock.advance(1_000);
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, add: [], remove: ['b'] });
  });

  it('the connection is idle after the last subscription has ended', async () => {
    const script = createScript();
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    stop();
    await script.clock.advance(1_000);
    expect(script.last().closed).toBe(true);
    expect(script.client.connection.getSnapshot()).toMatchObject({ state: 'idle', reason: 'unsubscribed' });
    expect(script.clock.pending).toBe(0);
  });

  for (const [name, leave] of [
    ['no answer arrives within 5 s', (script: Script) => script.clock.advance(5_000)],
    ['the connection is lost', async (script: Script) => script.last().lose()],
    ['the client is closed', async (script: Script) => script.client.close()],
  ] as const) {
    it(`a pending control request is aborted when ${name}`, async () => {
      const signals: AbortSignal[] = [];
      const script = createScript({
        fetch: (_url, init) =>
          new Promise((_resolve, reject) => {
            const signal = init!.signal!;
            signals.push(signal);
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      });
      await connect(script, 'a');
      script.client.subscribe('b', () => {});
      await script.settle();
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
    const script = createScript({ fetch: () => new Promise((resolve) => answers.push(resolve)) });
    await connect(script, 'a');
    script.client.subscribe('b', () => {});
    await script.settle();
    script.client.subscribe('c', () => {});
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
      const script = createScript();
      await connect(script, 'a');
      script.controlStatus = Number(name) || 202;
      script.client.subscribe('b', () => {});
      await script.settle();
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
      expect(script.client.connection.getSnapshot().reason).toBe('retry');
    });
  }
});

describe('a subscription with a from to a known address', () => {
  /** Connects at `e.5`. The only subscriber of `a` leaves at `e.7`, and one more event follows. */
  async function leave(script: Script) {
    script.client.subscribe('z', () => {});
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    for (const topic of ['z', 'a']) script.last().subscribed(topic, 5);
    script.last().send('a', 6, 'e.6.0');
    script.last().send('a', 7, 'e.7.6');
    stop();
    script.last().send('a', 8, 'e.8.7');
  }
  const join = (script: Script, from: string) => {
    const got: unknown[] = [];
    const infos: unknown[] = [];
    const handler = (payload: unknown, { id, replayed }: { id: string | undefined; replayed: boolean }) => {
      got.push(payload);
      infos.push({ id, replayed });
    };
    const subscription = script.client.subscribe('a', handler, { from });
    return { got, infos, subscription };
  };

  it('a subscription with a from within the linger time gets the missed events without a request', async () => {
    const script = createScript();
    await leave(script);
    const { got, infos, subscription } = join(script, 'e.7');
    await subscription.ready;
    expect(got).toEqual([8]);
    expect(infos).toEqual([{ id: 'e.8', replayed: true }]);
    script.last().send('a', 9, 'e.9.8');
    expect(got).toEqual([8, 9]);
    await script.clock.advance(5_000);
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
  });

  it('repeated subscriptions with a from use one entry', async () => {
    const script = createScript();
    await leave(script);
    let got: unknown[] = [];
    for (let round = 8; round < 40; round += 1) {
      const back = join(script, `e.${(round - 1).toString(36)}`);
      await script.settle();
      expect(back.got).toEqual([round]);
      got = back.got;
      back.subscription();
      script.last().send('a', round + 1, `e.${(round + 1).toString(36)}.${round.toString(36)}`);
      await script.clock.advance(500);
    }
    expect(got).toEqual([39]);
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
  });

  it('subscriptions with the same from before the first acceptance use one entry', async () => {
    const script = createScript();
    const got: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      script.client.subscribe('a', () => {}, { from: 'e.3' })();
      script.client.subscribe('a', (payload: unknown) => got.push(payload), { from: 'e.3' });
    }
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '2', from: 'e.3' }]);
    script.last().hello('e.3');
    script.last().subscribed('a', 3);
    script.last().send('a', 4, 'e.4.3');
    expect(got).toEqual([4, 4, 4]);
  });

  it('a subscription with a from joins an entry at an earlier position, and gets no event up to its from', async () => {
    const script = createScript();
    await connect(script, 'z', 'a');
    script.last().send('a', 6, 'e.6.0');
    script.last().send('z', 8, 'e.8.0');
    const { got } = join(script, 'e.7');
    await script.settle();
    expect(script.controls).toEqual([]);
    await script.clock.advance(10_000);
    script.last().lose();
    await script.clock.advance(500);
    script.last().hello('e.8');
    script.last().subscribed('a', 6);
    script.last().send('a', 7, 'e.7.6');
    script.last().send('a', 9, 'e.9.7');
    expect(got).toEqual([9]);
  });

  it('a from before the events kept by a lingering address causes a request', async () => {
    const script = createScript();
    await leave(script);
    join(script, 'e.6');
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.6' }] }]);
  });

  it('a from past the received events causes a request', async () => {
    const script = createScript();
    await leave(script);
    join(script, 'e.9');
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.9' }] }]);
  });

  it('a from before events that another subscription has got since causes a request', async () => {
    const script = createScript();
    await leave(script);
    const { subscription } = join(script, 'e.7');
    script.last().send('a', 9, 'e.9.8');
    subscription();
    script.last().send('a', 10, 'e.a.9');
    expect(join(script, 'e.7').got).toEqual([]);
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.7' }] }]);
    const { got } = join(script, 'e.9');
    await script.settle();
    expect(got).toEqual([10]);
  });

  it('a from before a gap during the linger time causes a request', async () => {
    const script = createScript();
    await leave(script);
    script.last().send(FRAME.gap, { address: 'a', from: 'e.8', to: 'e.9', reason: 'trimmed' });
    script.last().send(FRAME.bookmark, {}, 'e.9');
    join(script, 'e.7');
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.7' }] }]);
  });

  it('a lingering address keeps 1,000 events, and a from causes a request after more', async () => {
    for (const [more, requests] of [
      [999, 0],
      [1_000, 1],
    ] as const) {
      const script = createScript();
      await leave(script);
      for (let position = 9; position < 9 + more; position += 1) {
        script.last().send('a', position, `e.${position.toString(36)}.${(position - 1).toString(36)}`);
      }
      const { got } = join(script, 'e.7');
      await script.settle();
      expect(script.controls).toHaveLength(requests);
      expect(got).toHaveLength(requests === 0 ? 1_000 : 0);
    }
  });
});

describe('a subscription that joins a subscribed address', () => {
  it('a subscription that joins while the connection is lost starts at the newest position on acceptance', async () => {
    const script = createScript();
    const got = await connect(script, 'a');
    script.last().send('a', 6, 'e.6.0');
    script.last().lose();
    const late: unknown[] = [];
    let ready = false;
    const subscription = script.client.subscribe('a', (payload: unknown) => late.push(payload));
    void subscription.ready.then(() => (ready = true));
    await script.clock.advance(500);
    script.last().hello('e.6');
    await script.settle();
    expect(ready).toBe(false);
    script.last().subscribed('a', 6, { tail: 'e.8' });
    await script.settle();
    expect(ready).toBe(true);
    for (const position of [7, 8]) script.last().send('a', position, `e.${position}.${position - 1}`);
    // The connection ends before a newer event. The events replayed later belong to this subscription.
    script.last().lose();
    await script.clock.advance(5_000);
    script.last().hello('e.8');
    script.last().subscribed('a', 8, { tail: 'e.9' });
    script.last().send('a', 9, 'e.9.8');
    script.last().send('a', 10, 'e.a.9');
    expect(late).toEqual([9, 10]);
    expect(got['a']).toEqual([6, 7, 8, 9, 10]);
  });

  it('a subscription that joins an unanswered or temporarily refused entry is accepted with it', async () => {
    const script = createScript();
    await connect(script, 'a');
    script.last().lose();
    await script.clock.advance(500);
    script.last().hello('e.5');
    const early = script.client.subscribe('a', () => {});
    expect(early.getSnapshot().status).toBe('subscribing');
    script.last().subscribed('a', 5);
    expect(early.getSnapshot().status).toBe('subscribed');
    script.last().send(FRAME.error, { address: 'a', code: 'timeout', message: 'Slow.', retryable: true });
    const late = script.client.subscribe('a', () => {});
    expect(late.getSnapshot().status).toBe('subscribing');
    await script.clock.advance(1_000);
    script.last().subscribed('a', 5, { n: 1 });
    expect(late.getSnapshot().status).toBe('subscribed');
  });

  it('a subscription that joins has an entry of its own when the other one started at a cursor', async () => {
    const script = createScript();
    await connect(script, 'z');
    script.client.subscribe('a', () => {}, { from: 'e.2' });
    await script.settle();
    script.last().subscribed('a', 2, { n: 1, rewind: true });
    script.client.subscribe('a', () => {});
    await script.settle();
    expect(script.controls[1]).toMatchObject({ add: [{ address: 'a', key: '3', from: 'now' }] });
  });

  it('a subscription that joins during a replay gets no replayed event', async () => {
    const script = createScript();
    const got = await connect(script, 'a');
    script.last().lose();
    await script.clock.advance(500);
    script.last().hello('e.5');
    script.last().subscribed('a', 5, { tail: 'e.7' });
    script.last().send('a', 6, 'e.6.0');
    const late: unknown[] = [];
    await script.client.subscribe('a', (payload: unknown) => late.push(payload)).ready;
    script.last().send('a', 7, 'e.7.6');
    script.last().send('a', 8, 'e.8.7');
    expect(late).toEqual([8]);
    expect(got['a']).toEqual([6, 7, 8]);
  });

  it('a subscription that joins during a reconnection gets only gaps after its acceptance', async () => {
    const script = createScript({ onGap: () => {} });
    await connect(script, 'a');
    script.last().lose();
    const gaps: string[] = [];
    const late: unknown[] = [];
    script.client.subscribe('a', (payload: unknown) => late.push(payload), {
      onGap: ({ to }) => gaps.push(to),
    });
    await script.clock.advance(500);
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: 'f.0', tail: 'f.2' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'f.0', reason: 'epoch' });
    script.last().send(FRAME.bookmark, {}, 'f.0');
    for (const position of [1, 2, 3]) script.last().send('a', position, `f.${position}.${position - 1}`);
    script.last().send(FRAME.gap, { address: 'a', from: 'f.3', to: 'f.9', reason: 'trimmed' });
    await script.settle();
    expect(gaps).toEqual(['f.9']);
    expect(late).toEqual([3]);
  });

  it('a subscription that joined with a keep: latest value gets a gap after that value', async () => {
    const script = createScript();
    await connect(script, 'price');
    script.last().send('price', 41, 'e.6');
    script.last().lose();
    const log: unknown[] = [];
    script.client.subscribe('price', (payload: unknown) => log.push(payload), {
      onGap: () => log.push('gap'),
    });
    await script.clock.advance(500);
    script.last().hello();
    script.last().subscribed('price', 0, { cursor: 'f.0', tail: 'f.2' });
    script.last().send(FRAME.gap, { address: 'price', from: 'e.6', to: 'f.0', reason: 'epoch' });
    script.last().send('price', 42, 'f.2');
    await script.settle();
    expect(log).toEqual([41, 'gap', 42]);
  });

  it('a subscription that joins during a reconnection gets the newest value of keep: latest', async () => {
    const script = createScript();
    await connect(script, 'price');
    script.last().lose();
    const late: unknown[] = [];
    script.client.subscribe('price', (payload: unknown) => late.push(payload));
    await script.clock.advance(500);
    script.last().hello('e.5');
    script.last().subscribed('price', 5, { tail: 'e.8' });
    script.last().send('price', 42, 'e.8');
    expect(late).toEqual([42]);
  });
});

describe('answers to requests', () => {
  it('a late answer to an old control request does not release the next one', async () => {
    const script = createScript();
    await connect(script, 'a');
    for (const topic of ['b', 'c']) {
      script.client.subscribe(topic, () => {});
      await script.settle();
    }
    script.last().subscribed('b', 5, { n: 1 });
    await script.settle();
    script.client.subscribe('d', () => {});
    await script.settle();
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
    const script = createScript({ fetch: () => new Promise((resolve) => (answer = resolve)) });
    await connect(script, 'a');
    script.client.subscribe('b', () => {});
    await script.settle();
    script.last().lose();
    await script.clock.advance(500);
    script.last().hello('e.5', { connection: 'connection-2' });
    answer(new Response('', { status: 409 }));
    await script.clock.advance(1_000);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().closed).toBe(false);
  });

  it('a subscription made just before its connection fails is requested by the next one', async () => {
    const script = createScript();
    const log: string[] = [];
    const first = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    const second = script.client.subscribe('b', () => {}, { onError: () => log.push('b') });
    script.last().lose({ error: new LinefeedError('http_status', 'Gone.', { status: 410 }) });
    await script.settle();
    expect(first.getSnapshot().status).toBe('failed');
    expect(second.getSnapshot().status).toBe('subscribing');
    expect(log).toEqual([]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toMatchObject([{ address: 'a' }, { address: 'b' }]);
  });

  it('subscriptions that a 204 has ended are not requested by a later connection', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().lose();
    await script.clock.advance(500);
    script.last().lose({ over: true });
    script.client.subscribe('b', () => {});
    await script.settle();
    expect(script.last().opening.entries).toMatchObject([{ address: 'b' }]);
    expect(script.last().opening.entries).toHaveLength(1);
  });

  it('a temporarily refused entry does not delay the removal of other addresses', async () => {
    const script = createScript({ lingerMs: 0 });
    script.client.subscribe('z', () => {});
    const stop = script.client.subscribe('a', () => {});
    script.client.subscribe('b', () => {});
    await script.settle();
    script.last().hello('e.5');
    for (const topic of ['z', 'a']) script.last().subscribed(topic, 5);
    script.last().send(FRAME.error, { address: 'b', code: 'timeout', message: 'Slow.', retryable: true });
    stop();
    await script.clock.advance(1);
    expect(script.controls).toMatchObject([{ add: [], remove: ['a'] }]);
  });
});

describe('a lingering address', () => {
  it('a lingering address is removed on time, even when the connection is replaced', async () => {
    const script = createScript({ lingerMs: 3_000 });
    await connect(script, 'z');
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().subscribed('a', 5, { n: 1 });
    stop();
    script.last().lose();
    await script.clock.advance(500);
    script.last().hello('e.5');
    for (const topic of ['z', 'a']) script.last().subscribed(topic, 5);
    expect(script.controls).toHaveLength(1);
    await script.clock.advance(2_500);
    expect(script.controls[1]).toMatchObject({ add: [], remove: ['a'] });
  });

  it('a retry timer does not request an address again after a new connection has requested it', async () => {
    const script = createScript({ retry: { baseMs: 60_000, floorMs: 60_000, capMs: 60_000 } });
    await connect(script, 'b');
    script.last().send(FRAME.error, { address: 'b', code: 'timeout', message: 'Slow.', retryable: true });
    script.client.reconnect();
    script.last().hello('e.5', { timeoutMs: 0 });
    script.last().subscribed('b', 5);
    await script.clock.advance(300_000);
    expect(script.controls).toHaveLength(0);
    expect(script.attempts).toHaveLength(2);
  });

  it('a linger before the acceptance causes no second request', async () => {
    const script = createScript();
    await connect(script, 'z');
    script.client.subscribe('a', () => {})();
    const stop = script.client.subscribe('b', () => {});
    await script.settle();
    stop();
    await script.clock.advance(900);
    const again = script.client.subscribe('b', () => {});
    script.last().subscribed('b', 5, { n: 1 });
    await again.ready;
    await script.clock.advance(5_000);
    expect(script.controls).toHaveLength(1);
  });

  it('a lingering address is not removed on a connection that never had it', async () => {
    const script = createScript({ lingerMs: 0 });
    await connect(script, 'z');
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().subscribed('a', 5, { n: 1 });
    script.last().lose();
    stop();
    await script.clock.advance(500);
    script.last().hello('e.5');
    script.last().subscribed('z', 5);
    await script.settle();
    expect(script.controls).toHaveLength(1);
  });
});

describe('the outcome of a subscription', () => {
  it('a refusal fails only its own subscription', async () => {
    const script = createScript();
    const got = await connect(script, 'a');
    const refused = script.client.subscribe('b', () => {});
    await script.settle();
    script
      .last()
      .send(FRAME.error, { address: 'b', n: 1, code: 'forbidden', message: 'No.', retryable: false });
    await expect(refused.ready).rejects.toMatchObject({ code: 'forbidden', message: 'No.' });
    expect(refused.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'forbidden' } });
    expect(script.errors).toMatchObject([{ code: 'forbidden' }]);
    script.last().send('a', 1, 'e.6.0');
    expect(got['a']).toEqual([1]);
  });

  it('a refusal is shown at once, even when a handler never settles', async () => {
    const script = createScript();
    const stuck = script.client.subscribe('a', () => new Promise(() => {}));
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().send('a', 6, 'e.6.5');
    script.last().send(FRAME.error, { ...FORBIDDEN, address: 'a' });
    expect(stuck.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'forbidden' } });
  });

  it('an onEnd that rejects is reported', async () => {
    const script = createScript();
    script.client.subscribe('report', () => {}, { onEnd: () => Promise.reject(new Error('mine')) });
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send(FRAME.end, { address: 'report~1', key: '1' }, '~!');
    await script.settle();
    expect(script.errors).toMatchObject([{ code: 'handler_failed', cause: { message: 'mine' } }]);
  });

  it('new subscriptions after a refusal open at most one connection per second', async () => {
    const script = createScript();
    const error = new LinefeedError('http_status', 'No.', { status: 403 });
    for (let tick = 0; tick < 40; tick += 1) {
      const stop = script.client.subscribe('a', () => {});
      await script.clock.advance(100);
      if (script.client.connection.getSnapshot().state === 'connecting') script.last().lose({ error });
      stop();
    }
    // In 4 s: the first attempt, one at once, and then one per second.
    expect(script.attempts).toHaveLength(5);
    const kept = script.client.subscribe('a', () => {});
    await script.clock.advance(1_000);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    await kept.ready;
    script.client.close();
    expect(script.clock.pending).toBe(0);
  });

  it('the client leaves no timer when it is closed before a delayed attempt', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    for (const topic of ['b', 'c']) {
      script.last().lose({ error: new LinefeedError('http_status', 'No.', { status: 403 }) });
      script.client.subscribe(topic, () => {});
      await script.settle();
    }
    expect(script.attempts).toHaveLength(2);
    expect(script.clock.pending).toBe(1);
    script.client.close();
    expect(script.clock.pending).toBe(0);
  });

  it('a 204 ends logged addresses without onEnd, and rejects a subscription that is not accepted yet', async () => {
    const script = createScript();
    const log: string[] = [];
    const onEnd = () => log.push('end');
    const accepted = script.client.subscribe('a', () => {}, { onEnd });
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().lose();
    const waiting = script.client.subscribe('b', () => {}, { onEnd });
    await script.clock.advance(500);
    script.last().lose({ over: true });
    await expect(waiting.ready).rejects.toMatchObject({
      code: 'closed',
      message: 'b was over before it was accepted.',
    });
    await script.settle();
    expect(accepted.getSnapshot().status).toBe('ended');
    expect(log).toEqual([]);
  });

  it('a 204 calls onEnd of a stream that was accepted before', async () => {
    const script = createScript();
    const log: string[] = [];
    script.client.subscribe('report', () => {}, { onEnd: () => log.push('end') });
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().lose();
    await script.clock.advance(500);
    script.last().lose({ over: true });
    await script.settle();
    expect(log).toEqual(['end']);
  });

  it('a retryable refusal is requested again at growing intervals', async () => {
    const script = createScript();
    await connect(script, 'a');
    script.client.subscribe('b', () => {});
    await script.settle();
    const refuse = (n: number) =>
      script
        .last()
        .send(FRAME.error, { address: 'b', n, code: 'timeout', message: 'Slow.', retryable: true });
    refuse(1);
    await script.clock.advance(499);
    expect(script.controls).toHaveLength(1);
    await script.clock.advance(1);
    expect(script.controls).toHaveLength(2);
    refuse(2);
    await script.clock.advance(999);
    expect(script.controls).toHaveLength(2);
    await script.clock.advance(1);
    expect(script.controls[2]).toMatchObject({ n: 3, add: [{ address: 'b' }] });
    expect(script.errors).toEqual([]);
  });

  it('a stream ends after its last event is handled', async () => {
    const script = createScript();
    const log: string[] = [];
    let finish = () => {};
    const handler = (payload: number) => {
      log.push(`event ${payload}`);
      return new Promise<void>((resolve) => (finish = resolve));
    };
    const stream = script.client.subscribe('report', handler, { onEnd: () => log.push('end') });
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, '~1');
    script.last().send(FRAME.end, { address: 'report~1', key: '1' }, '~!');
    await script.settle();
    expect(log).toEqual(['event 1']);
    finish();
    await script.settle();
    expect(log).toEqual(['event 1', 'end']);
    expect(stream.getSnapshot().status).toBe('ended');
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('a 204 closes the connection, and fails an interrupted stream without ids', async () => {
    const script = createScript();
    const errors: unknown[] = [];
    const stream = script.client.subscribe('report', () => {}, { onError: (error) => errors.push(error) });
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, '~');
    script.last().lose();
    await script.clock.advance(500);
    expect(script.last().opening.entries).toEqual([{ address: 'report', from: '~', key: '1' }]);
    script.last().lose({ over: true });
    await script.settle();
    expect(script.client.connection.getSnapshot().state).toBe('closed');
    expect(stream.getSnapshot().status).toBe('failed');
    expect(errors).toMatchObject([{ code: 'not_resumable' }]);
  });

  it('a stream without ids runs again after a lost connection when restart is set', async () => {
    const script = createScript();
    script.client.subscribe('report', () => {}, { restart: true });
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, '~');
    script.last().lose();
    await script.clock.advance(500);
    expect(script.last().opening.entries).toEqual([{ address: 'report', key: '1' }]);
  });

  it('a failed connection is reported to every subscription, and once to the client', async () => {
    const script = createScript();
    const own: unknown[] = [];
    const first = script.client.subscribe('a', () => {}, { onError: (error) => own.push(error) });
    const second = script.client.subscribe('b', () => {});
    await script.settle();
    script.last().lose({ error: new LinefeedError('http_status', 'Gone.', { status: 410 }) });
    await expect(first.ready).rejects.toMatchObject({ status: 410 });
    expect(own).toHaveLength(1);
    expect(script.errors).toMatchObject([{ status: 410, attempt: 1 }]);
    script.client.reconnect();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().subscribed('b', 5);
    expect(second.getSnapshot()).toMatchObject({ status: 'subscribed', error: undefined });
  });

  it('an aborted signal ends its subscription, and prevents a later one', async () => {
    const script = createScript();
    const controller = new AbortController();
    const got: unknown[] = [];
    script.client.subscribe('a', (payload: unknown) => got.push(payload), { signal: controller.signal });
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    controller.abort();
    script.last().send('a', 1, 'e.6.0');
    const late = script.client.subscribe('b', () => {}, { signal: controller.signal });
    expect(late.getSnapshot().status).toBe('ended');
    await script.clock.advance(1_000);
    expect(got).toEqual([]);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('a closed client ends its subscriptions and refuses new ones', async () => {
    const script = createScript();
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.client.close();
    expect(stop.getSnapshot().status).toBe('ended');
    expect(script.last().closed).toBe(true);
    expect(() => script.client.subscribe('b', () => {})).toThrow('closed');
    script.client.reconnect();
    await script.settle();
    expect(script.attempts).toHaveLength(1);
    expect(script.clock.pending).toBe(0);
    expect(script.client.connection.getSnapshot()).toMatchObject({ state: 'closed', reason: 'asked' });
  });
});
