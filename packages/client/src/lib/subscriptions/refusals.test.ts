import { getEventListeners } from 'node:events';
import { LinefeedError } from '@linefeed/shared';
import { FRAME, type SubscriptionError } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createScript, type Script } from '../../../test/scripted-client.ts';

/** Subscribes to topics and connects; each topic is accepted at position 5. */
async function connect(script: Script, ...topics: string[]): Promise<void> {
  for (const topic of topics) script.client.subscribe(topic, () => {});
  await script.settle();
  script.last().hello('e.5', { timeoutMs: 0 });
  for (const topic of topics) script.last().subscribed(topic, 5);
}

async function reconnect(script: Script): Promise<void> {
  script.last().lose();
  await script.clock.advance(500);
  script.last().hello('e.5', { timeoutMs: 0 });
}

function refuse(script: Script, address: string, change: Partial<SubscriptionError> = {}): void {
  script.last().send(FRAME.error, {
    address,
    code: 'unknown_topic',
    message: `There is no ${address}.`,
    retryable: false,
    ...change,
  });
}

const LATER = { code: 'timeout', message: 'Slow.', retryable: true };

function addresses({ last }: Script): string[] {
  return last()
    .opening.entries.map(({ address }) => address)
    .toSorted();
}

describe('an address with a retryable refusal', () => {
  it('a lingering address with a retryable refusal continues for a handler that subscribes again', async () => {
    const script = createScript({ lingerMs: 3_000 });
    await connect(script, 'z');
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().subscribed('a', 5, { n: 1 });
    stop();
    await reconnect(script);
    script.last().subscribed('z', 5);
    refuse(script, 'a', LATER);
    const got: unknown[] = [];
    const again = script.client.subscribe('a', (payload: unknown) => got.push(payload));
    await script.clock.advance(10_000);
    script.last().subscribed('a', 5, { n: 1 });
    script.last().send('a', 6, 'e.6.5');
    await script.settle();
    expect(again.getSnapshot().status).toBe('subscribed');
    expect(got).toEqual([6]);
  });

  it('an address with a retryable refusal is requested again when another handler replaces the first', async () => {
    const script = createScript();
    await connect(script, 'z');
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    refuse(script, 'a', { ...LATER, n: 1 });
    stop();
    const again = script.client.subscribe('a', () => {});
    await script.clock.advance(10_000);
    script.last().subscribed('a', 5, { n: 2 });
    expect(again.getSnapshot().status).toBe('subscribed');
    await script.clock.advance(10_000);
    expect(script.controls).toHaveLength(2);
  });

  it('an address with a retryable refusal is not requested again when its last handler has left', async () => {
    const script = createScript();
    await connect(script, 'z');
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    refuse(script, 'a', { ...LATER, n: 1 });
    stop();
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    expect(script.clock.pending).toBe(0);
  });

  it('an address with a retryable refusal keeps its wait when the connection is replaced', async () => {
    const script = createScript({ retry: { baseMs: 8_000 } });
    await connect(script, 'z', 'a');
    refuse(script, 'a', LATER);
    await reconnect(script);
    expect(addresses(script)).toEqual(['z']);
    script.last().subscribed('z', 5);
    await script.clock.advance(3_000);
    expect(script.controls).toEqual([]);
    await script.clock.advance(1_000);
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.5' }] }]);
  });

  it('an address with a retryable refusal is in an opening request that would otherwise be empty', async () => {
    const script = createScript({ retry: { baseMs: 8_000 } });
    await connect(script, 'a');
    refuse(script, 'a', LATER);
    await reconnect(script);
    expect(addresses(script)).toEqual(['a']);
  });

  it.each([
    ['status 403', { error: new LinefeedError('forbidden', 'Not allowed.', { status: 403 }) }],
    ['status 204', { over: true }],
  ])('a retryable refusal keeps its wait after %s for an opening without it', async (_name, ending) => {
    const script = createScript({ retry: { baseMs: 8_000 } });
    const log: string[] = [];
    const options = { onEnd: () => log.push('end'), onError: ({ code }: LinefeedError) => log.push(code) };
    await connect(script, 'z');
    const stream = script.client.subscribe('report', () => {}, options);
    await script.settle();
    refuse(script, 'report', { ...LATER, key: '2', n: 1 });
    script.last().lose();
    await script.clock.advance(500);
    expect(addresses(script)).toEqual(['z']);
    script.last().lose(ending);
    await script.clock.advance(1_500);
    expect(stream.getSnapshot().status).toBe('subscribing');
    expect(script.attempts).toHaveLength(2);
    await script.clock.advance(2_000);
    expect(script.attempts).toHaveLength(3);
    expect(addresses(script)).toContain('report');
    expect(log).toEqual([]);
  });

  it('an address with a retryable refusal is requested at growing intervals over several connections', async () => {
    const script = createScript();
    await connect(script, 'z', 'a');
    refuse(script, 'a', LATER);
    const waitsMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      script.client.reconnect();
      script.last().hello('e.5', { timeoutMs: 0 });
      script.last().subscribed('z', 5);
      const before = script.controls.length;
      let waitedMs = 0;
      for (; script.controls.length === before && waitedMs < 60_000; waitedMs += 100)
        await script.clock.advance(100);
      waitsMs.push(waitedMs);
      refuse(script, 'a', { ...LATER, n: script.controls.at(-1)!.n });
    }
    // The random number is 0.5, so each wait is half of a bound that doubles.
    expect(waitsMs).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
  });
});

describe('a stream that fails at once', () => {
  const EVENT = 'report~1';

  it('a stream that fails at once is requested at growing intervals, and no wait is short again after 5 s', async () => {
    const script = createScript();
    script.client.subscribe('report', () => undefined, { restart: true });
    await script.settle();
    script.last().hello(undefined, { timeoutMs: 0 });
    const waitsMs: number[] = [];
    for (let n: number | undefined; waitsMs.length < 6;) {
      script.last().send(FRAME.subscribed, { address: EVENT, event: EVENT, key: '1', n });
      refuse(script, EVENT, { key: '1', code: 'source_failed', retryable: true });
      const before = script.controls.length;
      let waitedMs = 0;
      for (; script.controls.length === before && waitedMs < 60_000; waitedMs += 100)
        await script.clock.advance(100);
      waitsMs.push(waitedMs);
      n = script.controls.at(-1)!.n;
    }
    expect(waitsMs).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000]);
  });

  it('a stream with a permanent source error is not run again by a later connection', async () => {
    const script = createScript();
    await connect(script, 'z');
    const stream = script.client.subscribe('report', () => {});
    await script.settle();
    script.last().send(FRAME.subscribed, { address: 'report~2', event: 'report~2', key: '2', n: 1 });
    refuse(script, 'report~2', { key: '2', code: 'source_failed' });
    await script.settle();
    expect(stream.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'source_failed' } });
    expect(script.errors).toMatchObject([{ code: 'source_failed' }]);
    await reconnect(script);
    expect(addresses(script)).toEqual(['z']);
  });

  it('a stream that is refused as not_resumable is not requested by a later connection', async () => {
    const script = createScript();
    await connect(script, 'z');
    script.client.subscribe('report', () => {});
    await script.settle();
    refuse(script, 'report', { key: '2', code: 'not_resumable' });
    await reconnect(script);
    expect(addresses(script)).toEqual(['z']);
  });
});

describe('an address with a permanent refusal', () => {
  it('a refused address is requested on each new connection, and can be accepted there', async () => {
    const script = createScript();
    const got: unknown[] = [];
    await connect(script, 'z');
    const refused = script.client.subscribe('b', (payload: unknown) => got.push(payload));
    await script.settle();
    refuse(script, 'b', { n: 1 });
    await script.settle();
    expect(refused.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'unknown_topic' } });
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    await reconnect(script);
    expect(addresses(script)).toEqual(['b', 'z']);
    script.last().subscribed('z', 5);
    script.last().subscribed('b', 5);
    script.last().send('b', 6, 'e.6.0');
    expect(refused.getSnapshot()).toMatchObject({ status: 'subscribed', error: undefined });
    expect(got).toEqual([6]);
  });

  it('a repeated refusal is reported once, and once more when its reason changes', async () => {
    const script = createScript();
    await connect(script, 'z', 'b');
    for (const code of ['forbidden', 'forbidden', 'unknown_topic', 'unknown_topic']) {
      await script.clock.advance(10_000);
      await reconnect(script);
      script.last().subscribed('z', 5);
      refuse(script, 'b', { code });
      await script.settle();
    }
    expect(script.errors).toMatchObject([{ code: 'forbidden' }, { code: 'unknown_topic' }]);
  });

  it('a refused address is requested by reconnect(), even when it is the only one', async () => {
    const script = createScript();
    await connect(script, 'b');
    await reconnect(script);
    refuse(script, 'b');
    await script.settle();
    expect(script.client.connection.getSnapshot()).toMatchObject({ state: 'idle', reason: 'unsubscribed' });
    await script.clock.advance(60_000);
    expect(script.attempts).toHaveLength(2);
    script.client.reconnect();
    expect(addresses(script)).toEqual(['b']);
  });

  it('a refused address is requested at once when another subscription to it starts', async () => {
    const script = createScript();
    await connect(script, 'z');
    const first = script.client.subscribe('b', () => {});
    await script.settle();
    refuse(script, 'b', { n: 1 });
    const second = script.client.subscribe('b', () => {});
    await script.settle();
    expect(script.controls[1]).toMatchObject({ n: 2, add: [{ address: 'b' }] });
    script.last().subscribed('b', 5, { n: 2 });
    for (const { getSnapshot } of [first, second]) expect(getSnapshot().status).toBe('subscribed');
  });

  it('a refused address is requested until it is unsubscribed, and not after that', async () => {
    const script = createScript();
    await connect(script, 'z');
    const { signal } = new AbortController();
    const refused = script.client.subscribe('b', () => {}, { signal });
    await script.settle();
    refuse(script, 'b', { n: 1 });
    refused();
    expect(refused.getSnapshot().status).toBe('failed');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    await reconnect(script);
    expect(addresses(script)).toEqual(['z']);
  });

  it('a refused address gets no event of another subscription with its event name', async () => {
    const script = createScript();
    await connect(script, 'z');
    const got: unknown[] = [];
    script.client.subscribe('p', { s: 'A' }, () => {});
    script.client.subscribe('p', { s: 'a' }, (payload: unknown) => got.push(payload));
    await script.settle();
    for (const s of ['A', 'a']) script.last().subscribed(`p?s=${s}`, 5, { event: 'p?s=A', n: 1 });
    await reconnect(script);
    script.last().subscribed('z', 5);
    script.last().subscribed('p?s=A', 5, { event: 'p?s=A' });
    refuse(script, 'p?s=a', { code: 'forbidden' });
    script.last().send('p?s=A', 6, 'e.6.5');
    script.last().send('p?s=A', 7, 'e.7.6');
    await script.settle();
    expect(got).toEqual([]);
    expect(script.attempts).toHaveLength(2);
  });
});

describe('a server that sends reconnect repeatedly', () => {
  for (const reason of ['expired', 'disconnected']) {
    it(`the client waits longer each time when the server repeats reconnect with reason ${reason}`, async () => {
      const script = createScript();
      await connect(script, 'a');
      await script.clock.advance(10_000);
      const waitsMs: number[] = [];
      for (let round = 0; round < 7; round += 1) {
        script.last().send(FRAME.reconnect, { afterMs: 0, reason });
        const { retryInMs } = script.client.connection.getSnapshot();
        waitsMs.push(retryInMs!);
        await script.clock.advance(retryInMs!);
        // In every other round the server sends its `reconnect` before `hello`.
        if (round % 2 === 0) script.last().hello('e.5', { timeoutMs: 0 });
      }
      expect(waitsMs).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 15_000]);
    });
  }

  it('the client reconnects at once when the server ends a connection that has lasted 10 s', async () => {
    const script = createScript();
    await connect(script, 'a');
    for (let round = 0; round < 5; round += 1) {
      await script.clock.advance(10_000);
      script.last().send(FRAME.reconnect, { afterMs: 0, reason: 'expired' });
      expect(script.client.connection.getSnapshot()).toMatchObject({ retryInMs: 0, attempt: 0 });
      await script.settle();
      script.last().hello('e.5', { timeoutMs: 0 });
    }
  });
});

it('a refusal with a code of a later version is a refusal like any other', async () => {
  for (const retryable of [true, false]) {
    const script = createScript();
    await connect(script, 'z');
    const refused = script.client.subscribe('a', () => {});
    await script.settle();
    refuse(script, 'a', { n: 1, code: 'of_a_later_version', retryable });
    await script.settle();
    expect(refused.getSnapshot()).toMatchObject({
      status: retryable ? 'subscribing' : 'failed',
      error: { code: 'of_a_later_version' },
    });
    script.client.close();
  }
});
