import { getEventListeners } from 'node:events';
import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';

/** No test notices silence. */
const hello = { timeoutMs: 0 };

/** The connection is replaced. The server accepts nothing yet. */
async function reopen(script: Script): Promise<void> {
  await script.cut();
  script.last().hello('e.5');
}

function addresses({ last }: Script): string[] {
  return last()
    .opening.entries.map(({ address }) => address)
    .toSorted();
}

describe('an address with a retryable refusal', () => {
  it('a lingering address with a retryable refusal continues for a handler that subscribes again', async () => {
    const script = await connected('z', { lingerMs: 3_000, hello });
    const stop = await script.join('a');
    stop();
    await reopen(script);
    script.last().subscribed('z', 5);
    script.last().refuse('a', RETRYABLE);
    const again = script.listen('a');
    await script.clock.advance(10_000);
    script.last().subscribed('a', 5, { n: 1 });
    script.last().deliver('a', 6);
    await script.settle();
    expect(again.getSnapshot().status).toBe('subscribed');
    expect(again.got).toEqual([6]);
  });

  it('an address with a retryable refusal is requested again when another handler replaces the first', async () => {
    const script = await connected('z', { hello });
    const stop = await script.request('a');
    script.last().refuse('a', { ...RETRYABLE, n: 1 });
    stop();
    const again = script.listen('a');
    await script.clock.advance(10_000);
    script.last().subscribed('a', 5, { n: 2 });
    expect(again.getSnapshot().status).toBe('subscribed');
    await script.clock.advance(10_000);
    expect(script.controls).toHaveLength(2);
  });

  it('an address with a retryable refusal is not requested again when its last handler has left', async () => {
    const script = await connected('z', { hello });
    const stop = await script.request('a');
    script.last().refuse('a', { ...RETRYABLE, n: 1 });
    stop();
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    expect(script.clock.pending).toBe(0);
  });

  it('an address with a retryable refusal keeps its wait when the connection is replaced', async () => {
    const script = await connected(['z', 'a'], { retry: { baseMs: 8_000 }, hello });
    script.last().refuse('a', RETRYABLE);
    await reopen(script);
    expect(addresses(script)).toEqual(['z']);
    script.last().subscribed('z', 5);
    await script.clock.advance(3_000);
    expect(script.controls).toEqual([]);
    await script.clock.advance(1_000);
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.5' }] }]);
  });

  it('an address with a retryable refusal is in an opening request that would otherwise be empty', async () => {
    const script = await connected('a', { retry: { baseMs: 8_000 }, hello });
    script.last().refuse('a', RETRYABLE);
    await reopen(script);
    expect(addresses(script)).toEqual(['a']);
  });

  it.each([
    ['status 403', { error: new LinefeedError('forbidden', 'Not allowed.', { status: 403 }) }],
    ['status 204', { over: true }],
  ])('a retryable refusal keeps its wait after %s for an opening without it', async (_name, ending) => {
    const script = await connected('z', { retry: { baseMs: 8_000 }, hello });
    const log: string[] = [];
    const stream = await script.request('report', {
      onEnd: () => log.push('end'),
      onError: ({ code }) => log.push(code),
    });
    script.last().refuse('report', { ...RETRYABLE, key: '2', n: 1 });
    await script.cut();
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
    const script = await connected(['z', 'a'], { hello });
    script.last().refuse('a', RETRYABLE);
    const waitsMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      script.client.reconnect();
      script.last().hello('e.5');
      script.last().subscribed('z', 5);
      const { length } = script.controls;
      waitsMs.push(await script.until(() => script.controls.length > length));
      script.last().refuse('a', { ...RETRYABLE, n: script.controls.at(-1)!.n });
    }
    // The random number is 0.5, so each wait is half of a bound that doubles.
    expect(waitsMs).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
  });

  it('a retry timer does not request an address again after a new connection has requested it', async () => {
    const retry = { baseMs: 60_000, floorMs: 60_000, capMs: 60_000 };
    const script = await connected('b', { retry, hello });
    script.last().refuse('b', RETRYABLE);
    script.client.reconnect();
    script.last().accept();
    await script.clock.advance(300_000);
    expect(script.controls).toHaveLength(0);
    expect(script.attempts).toHaveLength(2);
  });
});

describe('a stream that fails at once', () => {
  it('a stream that fails at once is requested at growing intervals, and no wait is short again after 5 s', async () => {
    const script = createScript({ hello });
    await script.request('report', { restart: true });
    script.last().hello();
    const waitsMs: number[] = [];
    for (let n: number | undefined; waitsMs.length < 6;) {
      script.last().acceptStream('report', '1', n);
      script.last().refuse('report~1', { key: '1', code: 'source_failed', retryable: true });
      const { length } = script.controls;
      waitsMs.push(await script.until(() => script.controls.length > length));
      n = script.controls.at(-1)!.n;
    }
    expect(waitsMs).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000]);
  });

  it('a stream with a permanent source error is not run again by a later connection', async () => {
    const script = await connected('z', { hello });
    const stream = await script.request('report');
    script.last().acceptStream('report', '2', 1);
    script.last().refuse('report~2', { key: '2', code: 'source_failed' });
    await script.settle();
    expect(stream.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'source_failed' } });
    expect(script.errors).toMatchObject([{ code: 'source_failed' }]);
    await reopen(script);
    expect(addresses(script)).toEqual(['z']);
  });

  it('a stream that is refused as not_resumable is not requested by a later connection', async () => {
    const script = await connected('z', { hello });
    await script.request('report');
    script.last().refuse('report', { key: '2', code: 'not_resumable' });
    await reopen(script);
    expect(addresses(script)).toEqual(['z']);
  });
});

describe('an address with a permanent refusal', () => {
  it('a refused address is requested on each new connection, and can be accepted there', async () => {
    const script = await connected('z', { hello });
    const refused = await script.request('b');
    script.last().refuse('b', { n: 1, code: 'unknown_topic' });
    await script.settle();
    expect(refused.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'unknown_topic' } });
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    await reopen(script);
    expect(addresses(script)).toEqual(['b', 'z']);
    script.last().subscribed('z', 5);
    script.last().subscribed('b', 5);
    script.last().send('b', 6, 'e.6.0');
    expect(refused.getSnapshot()).toMatchObject({ status: 'subscribed', error: undefined });
    expect(refused.got).toEqual([6]);
  });

  it('a repeated refusal is reported once, and once more when its reason changes', async () => {
    const script = await connected(['z', 'b'], { hello });
    for (const code of ['forbidden', 'forbidden', 'unknown_topic', 'unknown_topic']) {
      await script.clock.advance(10_000);
      await reopen(script);
      script.last().subscribed('z', 5);
      script.last().refuse('b', { code });
      await script.settle();
    }
    expect(script.errors).toMatchObject([{ code: 'forbidden' }, { code: 'unknown_topic' }]);
  });

  it('a refused address is requested by reconnect(), even when it is the only one', async () => {
    const script = await connected('b', { hello });
    await reopen(script);
    script.last().refuse('b');
    await script.settle();
    expect(script.state()).toMatchObject({ state: 'idle', reason: 'unsubscribed' });
    await script.clock.advance(60_000);
    expect(script.attempts).toHaveLength(2);
    script.client.reconnect();
    expect(addresses(script)).toEqual(['b']);
  });

  it('a refused address is requested at once when another subscription to it starts', async () => {
    const script = await connected('z', { hello });
    const first = await script.request('b');
    script.last().refuse('b', { n: 1 });
    const second = await script.request('b');
    expect(script.controls[1]).toMatchObject({ n: 2, add: [{ address: 'b' }] });
    script.last().subscribed('b', 5, { n: 2 });
    for (const { getSnapshot } of [first, second]) expect(getSnapshot().status).toBe('subscribed');
  });

  it('a refused address is requested until it is unsubscribed, and not after that', async () => {
    const script = await connected('z', { hello });
    const { signal } = new AbortController();
    const refused = await script.request('b', { signal });
    script.last().refuse('b', { n: 1 });
    refused();
    expect(refused.getSnapshot().status).toBe('failed');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await script.clock.advance(60_000);
    expect(script.controls).toHaveLength(1);
    await reopen(script);
    expect(addresses(script)).toEqual(['z']);
  });

  it('a refused address gets no event of another subscription with its event name', async () => {
    const script = await connected('z', { hello });
    script.listen('p', { params: { s: 'A' } });
    const { got } = await script.request('p', { params: { s: 'a' } });
    for (const s of ['A', 'a']) script.last().subscribed(`p?s=${s}`, 5, { event: 'p?s=A', n: 1 });
    await reopen(script);
    script.last().subscribed('z', 5);
    script.last().subscribed('p?s=A', 5, { event: 'p?s=A' });
    script.last().refuse('p?s=a');
    script.last().deliver('p?s=A', 6, 7);
    await script.settle();
    expect(got).toEqual([]);
    expect(script.attempts).toHaveLength(2);
  });
});

describe('a server that sends reconnect repeatedly', () => {
  for (const reason of ['expired', 'disconnected']) {
    it(`the client waits longer each time when the server repeats reconnect with reason ${reason}`, async () => {
      const script = await connected('a', { hello });
      await script.clock.advance(10_000);
      const waitsMs: number[] = [];
      for (let round = 0; round < 7; round += 1) {
        script.last().send(FRAME.reconnect, { afterMs: 0, reason });
        const { retryInMs } = script.state();
        waitsMs.push(retryInMs!);
        await script.clock.advance(retryInMs!);
        // In every other round the server sends its `reconnect` before `hello`.
        if (round % 2 === 0) script.last().hello('e.5');
      }
      expect(waitsMs).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 15_000]);
    });
  }

  it('the client reconnects at once when the server ends a connection that has lasted 10 s', async () => {
    const script = await connected('a', { hello });
    for (let round = 0; round < 5; round += 1) {
      await script.clock.advance(10_000);
      script.last().send(FRAME.reconnect, { afterMs: 0, reason: 'expired' });
      expect(script.state()).toMatchObject({ retryInMs: 0, attempt: 0 });
      await script.settle();
      script.last().hello('e.5');
    }
  });
});

it('a refusal with a code of a later version is a refusal like any other', async () => {
  for (const retryable of [true, false]) {
    const script = await connected('z', { hello });
    const refused = await script.request('a');
    script.last().refuse('a', { n: 1, code: 'of_a_later_version', retryable });
    await script.settle();
    expect(refused.getSnapshot()).toMatchObject({
      status: retryable ? 'subscribing' : 'failed',
      error: { code: 'of_a_later_version' },
    });
    script.client.close();
  }
});
