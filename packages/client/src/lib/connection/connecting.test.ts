import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript } from '../../../test/scripted-client.ts';
import { httpError } from '../../../test/scripted-transport.ts';

describe('the connection state', () => {
  it('the connection state is idle until the first subscription, and connected after hello', async () => {
    const script = createScript();
    const states: string[] = [];
    script.client.connection.subscribe(() =>
      states.push(`${script.state().previous} ${script.state().state}`),
    );
    expect(script.state()).toMatchObject({ state: 'idle', hasEverConnected: false });
    await script.request('a');
    script.last().sink.onLife();
    expect(script.state().state).toBe('connecting');
    script.last().hello('e.5');
    expect(states).toEqual(['idle connecting', 'connecting connected']);
    expect(script.state()).toMatchObject({
      connectedAt: 1_000_000,
      hasEverConnected: true,
      connectionCount: 1,
    });
  });

  it('the connection snapshot is the same object until the state changes', async () => {
    const script = await connected();
    const before = script.state();
    script.last().send('a', 1, 'e.6.0');
    await script.clock.advance(1_000);
    expect(script.state()).toBe(before);
    script.last().lose();
    expect(script.state()).not.toBe(before);
  });

  it('the connection snapshot shows the wait before the next attempt, and its reason', async () => {
    const script = await connected();
    script.last().send('a', 1, 'e.6.0');
    script.last().lose();
    expect(script.state()).toMatchObject({
      state: 'reconnecting',
      previous: 'connected',
      reason: 'network',
      attempt: 1,
      retryInMs: 250,
      error: { code: 'network' },
      cursor: 'e.6',
    });
    await script.clock.advance(250);
    expect(script.state()).toMatchObject({ attempt: 2, retryInMs: undefined, previous: 'connected' });
  });

  it('a connection listener that throws does not stop the other listeners', async () => {
    const script = createScript();
    const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
    let heard = 0;
    script.client.connection.subscribe(() => {
      if (heard === 0) throw new Error('mine');
    });
    const stop = script.client.connection.subscribe(() => (heard += 1));
    await script.request('a');
    expect(heard).toBe(1);
    await expect(unhandled).resolves.toMatchObject({ message: 'mine' });
    stop();
    script.client.close();
    expect(heard).toBe(1);
  });
});

describe('a lost connection', () => {
  it('the client fails without a retry on 400, 403, 404, 406 and 410', async () => {
    for (const status of [400, 403, 404, 406, 410]) {
      const script = await connected();
      script.last().lose({ error: httpError(status) });
      expect(script.state()).toMatchObject({ state: 'failed', error: { status } });
      expect(script.clock.pending).toBe(0);
    }
  });

  it('the client retries without limit on 408, 425, 429, 500, 502 and 503', async () => {
    for (const status of [408, 425, 429, 500, 502, 503]) {
      const script = await connected('a', { connectTimeoutMs: 1_000_000 });
      for (let failures = 1; failures <= 40; failures += 1) {
        script.last().lose({ error: httpError(status) });
        expect(script.state()).toMatchObject({ state: 'reconnecting', attempt: failures });
        await script.clock.advance(30_000);
        expect(script.attempts).toHaveLength(failures + 1);
      }
      script.client.close();
    }
  });

  it('the client fails after retry.maxAttempts failures in a row', async () => {
    const script = await connected('a', { retry: { maxAttempts: 3 }, connectTimeoutMs: 1_000_000 });
    for (let failures = 1; failures <= 3; failures += 1) {
      script.last().lose();
      await script.clock.advance(30_000);
    }
    expect(script.attempts).toHaveLength(3);
    expect(script.state()).toMatchObject({
      state: 'failed',
      reason: 'retries_exhausted',
      error: { code: 'retries_exhausted' },
    });
    expect(script.state().error?.cause).toMatchObject({ code: 'network' });
  });

  it('the error after the last retry has the number of the attempt and its HTTP status', async () => {
    const script = await connected('a', { retry: { maxAttempts: 1 } });
    script.last().lose({ error: httpError(503) });
    expect(script.state().error).toMatchObject({
      code: 'retries_exhausted',
      attempt: 1,
      status: 503,
      retryable: false,
    });
  });

  it('the attempt count restarts when the client was idle before a new subscription', async () => {
    const script = createScript({ lingerMs: 0 });
    const stop = await script.request('a');
    for (let round = 0; round < 3; round += 1) {
      script.last().lose();
      await script.clock.advance(10_000);
    }
    expect(script.state().attempt).toBe(4);
    stop();
    await script.clock.advance(1);
    await script.request('a');
    expect(script.state()).toMatchObject({ state: 'connecting', attempt: 1 });
  });

  it('a client that was connected retries once on a wrong content type, which a truncated head can cause', async () => {
    const script = await connected();
    const wrongType = () => ({
      error: new LinefeedError('wrong_content_type', 'It is text/event-.', { status: 200 }),
    });
    for (let round = 0; round < 2; round += 1) {
      script.last().lose(wrongType());
      expect(script.state()).toMatchObject({ state: 'reconnecting', reason: 'wrong_content_type' });
      await script.clock.advance(5_000);
      script.last().hello('e.5');
    }
    script.last().lose(wrongType());
    await script.clock.advance(5_000);
    script.last().lose(wrongType());
    expect(script.state()).toMatchObject({ state: 'failed', reason: 'wrong_content_type' });
  });

  it('the client retries once on 401, and fails on a second 401 in a row', async () => {
    const script = await connected();
    script.last().lose({ error: httpError(401) });
    await script.clock.advance(500);
    expect(script.attempts).toHaveLength(2);
    script.last().hello('e.5');
    await script.clock.advance(10_000);
    script.last().lose({ error: httpError(401) });
    await script.clock.advance(500);
    expect(script.attempts).toHaveLength(3);
    script.last().lose({ error: httpError(401) });
    expect(script.state()).toMatchObject({ state: 'failed', error: { status: 401 } });
  });

  it('the client waits as long as Retry-After requires', async () => {
    const script = await connected();
    script.last().lose({ error: httpError(503), retryAfter: '7' });
    await script.clock.advance(6_999);
    expect(script.attempts).toHaveLength(1);
    await script.clock.advance(1);
    expect(script.attempts).toHaveLength(2);
  });

  it('the client uses the retry field of the server as the base of its waits', async () => {
    const script = await connected();
    script.last().sink.onRetry(8_000);
    await script.cut();
    script.last().lose();
    expect(script.state().retryInMs).toBe(8_000);
  });

  it('the client reconnects after the wait of a reconnect frame, and counts no failure', async () => {
    const script = await connected();
    await script.clock.advance(10_000);
    script.last().send(FRAME.reconnect, { afterMs: 2_500, reason: 'drain' });
    expect(script.last().closed).toBe(true);
    expect(script.state()).toMatchObject({ reason: 'drain', retryInMs: 2_500, attempt: 0, error: undefined });
    await script.clock.advance(2_500);
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('the client reconnects on a reconnect frame that arrives before hello', async () => {
    const script = createScript();
    await script.request('a');
    script.last().send(FRAME.reconnect, { afterMs: 3_000, reason: 'busy' });
    expect(script.state()).toMatchObject({ state: 'reconnecting', reason: 'busy', retryInMs: 3_000 });
  });

  it('the client ignores frames and endings of a response that it has closed', async () => {
    const script = await connected();
    const { got } = script.listen('a');
    const left = script.last();
    left.lose();
    left.send('a', 1, 'e.6.0');
    left.hello('e.9');
    left.lose({ error: httpError(403) });
    expect(script.state().state).toBe('reconnecting');
    expect(got).toEqual([]);
  });

  it('the client treats a malformed control frame as a broken connection', async () => {
    const script = await connected();
    script.last().sink.onFrame(FRAME.gap, '{', '');
    expect(script.state()).toMatchObject({ state: 'reconnecting', reason: 'protocol' });
  });

  it('the client fails when the server uses another protocol version', async () => {
    const script = createScript();
    await script.request('a');
    script.last().hello('e.5', { protocol: 2 });
    expect(script.state()).toMatchObject({ state: 'failed', error: { code: 'protocol' } });
  });

  it('a failed client connects again on reconnect() or on a new subscription', async () => {
    const script = await connected();
    script.last().lose({ error: httpError(403) });
    script.client.reconnect();
    expect(script.state()).toMatchObject({ state: 'connecting', reason: 'asked' });
    script.last().lose({ error: httpError(403) });
    await script.request('b');
    expect(script.state()).toMatchObject({ state: 'connecting', reason: 'subscribed' });
  });
});

describe('reconnect()', () => {
  it('reconnect() opens another connection at once', async () => {
    const script = await connected();
    script.client.reconnect();
    expect(script.attempts[0]!.closed).toBe(true);
    expect(script.last().opening.cursor).toBe('e.5');
    expect(script.state()).toMatchObject({ state: 'reconnecting', reason: 'asked' });
  });
});
