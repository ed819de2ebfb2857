import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import { stubPage } from '../../../test/stub-page.ts';
import type { ClientOptions } from '../client/client.ts';
import type { ConnectionSnapshot } from './state.ts';

afterEach(() => vi.unstubAllGlobals());

/** Creates a client with one subscription and connects it. */
async function connect(options: Partial<ClientOptions> = {}): Promise<Script> {
  const script = createScript(options);
  script.client.subscribe('a', () => {});
  await script.settle();
  script.last().hello('e.5');
  script.last().subscribed('a', 5);
  return script;
}

function state(script: Script): ConnectionSnapshot {
  return script.client.connection.getSnapshot();
}

function httpError(status: number): LinefeedError {
  return new LinefeedError('http_status', `The server answered ${status}.`, { status });
}

describe('the connection state', () => {
  it('the connection state is idle until the first subscription, and connected after hello', async () => {
    const script = createScript();
    const states: string[] = [];
    script.client.connection.subscribe(() => states.push(`${state(script).previous} ${state(script).state}`));
    expect(state(script)).toMatchObject({ state: 'idle', hasEverConnected: false });
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().sink.onLife();
    expect(state(script).state).toBe('connecting');
    script.last().hello('e.5');
    expect(states).toEqual(['idle connecting', 'connecting connected']);
    expect(state(script)).toMatchObject({
      connectedAt: 1_000_000,
      hasEverConnected: true,
      connectionCount: 1,
    });
  });

  it('the connection snapshot is the same object until the state changes', async () => {
    const script = await connect();
    const before = state(script);
    script.last().send('a', 1, 'e.6.0');
    await script.clock.advance(1_000);
    expect(state(script)).toBe(before);
    script.last().lose();
    expect(state(script)).not.toBe(before);
  });

  it('the connection snapshot shows the wait before the next attempt, and its reason', async () => {
    const script = await connect();
    script.last().send('a', 1, 'e.6.0');
    script.last().lose();
    expect(state(script)).toMatchObject({
      state: 'reconnecting',
      previous: 'connected',
      reason: 'network',
      attempt: 1,
      retryInMs: 250,
      error: { code: 'network' },
      cursor: 'e.6',
    });
    await script.clock.advance(250);
    expect(state(script)).toMatchObject({ attempt: 2, retryInMs: undefined, previous: 'connected' });
  });

  it('a connection listener that throws does not stop the other listeners', async () => {
    const script = createScript();
    const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
    let heard = 0;
    script.client.connection.subscribe(() => {
      if (heard === 0) throw new Error('mine');
    });
    const stop = script.client.connection.subscribe(() => (heard += 1));
    script.client.subscribe('a', () => {});
    await script.settle();
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
      const script = await connect();
      script.last().lose({ error: httpError(status) });
      expect(state(script)).toMatchObject({ state: 'failed', error: { status } });
      expect(script.clock.pending).toBe(0);
    }
  });

  it('the client retries without limit on 408, 425, 429, 500, 502 and 503', async () => {
    for (const status of [408, 425, 429, 500, 502, 503]) {
      const script = await connect({ connectTimeoutMs: 1_000_000 });
      for (let failures = 1; failures <= 40; failures += 1) {
        script.last().lose({ error: httpError(status) });
        expect(state(script)).toMatchObject({ state: 'reconnecting', attempt: failures });
        await script.clock.advance(30_000);
        expect(script.attempts).toHaveLength(failures + 1);
      }
      script.client.close();
    }
  });

  it('the client fails after retry.maxAttempts failures in a row', async () => {
    const script = await connect({ retry: { maxAttempts: 3 }, connectTimeoutMs: 1_000_000 });
    for (let failures = 1; failures <= 3; failures += 1) {
      script.last().lose();
      await script.clock.advance(30_000);
    }
    expect(script.attempts).toHaveLength(3);
    expect(state(script)).toMatchObject({
      state: 'failed',
      reason: 'retries_exhausted',
      error: { code: 'retries_exhausted' },
    });
    expect(state(script).error?.cause).toMatchObject({ code: 'network' });
  });

  it('the error after the last retry has the number of the attempt and its HTTP status', async () => {
    const script = await connect({ retry: { maxAttempts: 1 } });
    script.last().lose({ error: httpError(503) });
    expect(state(script).error).toMatchObject({
      code: 'retries_exhausted',
      attempt: 1,
      status: 503,
      retryable: false,
    });
  });

  it('the attempt count restarts when the client was idle before a new subscription', async () => {
    const script = createScript({ lingerMs: 0 });
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    for (let round = 0; round < 3; round += 1) {
      script.last().lose();
      await script.clock.advance(10_000);
    }
    expect(state(script).attempt).toBe(4);
    stop();
    await script.clock.advance(1);
    script.client.subscribe('a', () => {});
    await script.settle();
    expect(state(script)).toMatchObject({ state: 'connecting', attempt: 1 });
  });

  it('a client that was connected retries once on a wrong content type, which a truncated head can cause', async () => {
    const script = await connect();
    const wrongType = () => ({
      error: new LinefeedError('wrong_content_type', 'It is text/event-.', { status: 200 }),
    });
    for (let round = 0; round < 2; round += 1) {
      script.last().lose(wrongType());
      expect(state(script)).toMatchObject({ state: 'reconnecting', reason: 'wrong_content_type' });
      await script.clock.advance(5_000);
      script.last().hello('e.5');
    }
    script.last().lose(wrongType());
    await script.clock.advance(5_000);
    script.last().lose(wrongType());
    expect(state(script)).toMatchObject({ state: 'failed', reason: 'wrong_content_type' });
  });

  it('the client retries once on 401, and fails on a second 401 in a row', async () => {
    const script = await connect();
    script.last().lose({ error: httpError(401) });
    await script.clock.advance(500);
    expect(script.attempts).toHaveLength(2);
    script.last().hello('e.5');
    await script.clock.advance(10_000);
    script.last().lose({ error: httpError(401) });
    await script.clock.advance(500);
    expect(script.attempts).toHaveLength(3);
    script.last().lose({ error: httpError(401) });
    expect(state(script)).toMatchObject({ state: 'failed', error: { status: 401 } });
  });

  it('the client waits as long as Retry-After requires', async () => {
    const script = await connect();
    script.last().lose({ error: httpError(503), retryAfter: '7' });
    await script.clock.advance(6_999);
    expect(script.attempts).toHaveLength(1);
    await script.clock.advance(1);
    expect(script.attempts).toHaveLength(2);
  });

  it('the client uses the retry field of the server as the base of its waits', async () => {
    const script = await connect();
    script.last().sink.onRetry(8_000);
    script.last().lose();
    await script.clock.advance(500);
    script.last().lose();
    expect(state(script).retryInMs).toBe(8_000);
  });

  it('the client reconnects after the wait of a reconnect frame, and counts no failure', async () => {
    const script = await connect();
    await script.clock.advance(10_000);
    script.last().send(FRAME.reconnect, { afterMs: 2_500, reason: 'drain' });
    expect(script.last().closed).toBe(true);
    expect(state(script)).toMatchObject({ reason: 'drain', retryInMs: 2_500, attempt: 0, error: undefined });
    await script.clock.advance(2_500);
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('the client obeys a reconnect frame that arrives before hello', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().send(FRAME.reconnect, { afterMs: 3_000, reason: 'busy' });
    expect(state(script)).toMatchObject({ state: 'reconnecting', reason: 'busy', retryInMs: 3_000 });
  });

  it('the client ignores frames and endings of a response that it has left', async () => {
    const script = await connect();
    const got: unknown[] = [];
    script.client.subscribe('a', (payload: unknown) => got.push(payload));
    const left = script.last();
    left.lose();
    left.send('a', 1, 'e.6.0');
    left.hello('e.9');
    left.lose({ error: httpError(403) });
    expect(state(script).state).toBe('reconnecting');
    expect(got).toEqual([]);
  });

  it('the client treats a malformed control frame as a broken connection', async () => {
    const script = await connect();
    script.last().sink.onFrame(FRAME.gap, '{', '');
    expect(state(script)).toMatchObject({ state: 'reconnecting', reason: 'protocol' });
  });

  it('the client fails when the server uses another protocol version', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5', { protocol: 2 });
    expect(state(script)).toMatchObject({ state: 'failed', error: { code: 'protocol' } });
  });

  it('a failed client connects again on reconnect() or on a new subscription', async () => {
    const script = await connect();
    script.last().lose({ error: httpError(403) });
    script.client.reconnect();
    expect(state(script)).toMatchObject({ state: 'connecting', reason: 'asked' });
    script.last().lose({ error: httpError(403) });
    script.client.subscribe('b', () => {});
    await script.settle();
    expect(state(script)).toMatchObject({ state: 'connecting', reason: 'subscribed' });
  });
});

describe('a silent connection', () => {
  it('the client ends an attempt without hello after connectTimeoutMs, even when bytes arrive', async () => {
    const script = createScript({ connectTimeoutMs: 4_000 });
    script.client.subscribe('a', () => {});
    await script.clock.advance(3_999);
    script.last().sink.onLife();
    expect(script.last().closed).toBe(false);
    await script.clock.advance(1);
    expect(script.attempts[0]!.closed).toBe(true);
    expect(state(script)).toMatchObject({ reason: 'connect_timeout', error: { code: 'connect_timeout' } });
  });

  it('the client ends a silent connection after the announced timeout, and any byte restarts the timeout', async () => {
    const script = await connect();
    await script.clock.advance(34_900);
    script.last().sink.onLife();
    await script.clock.advance(34_900);
    expect(state(script).state).toBe('connected');
    await script.clock.advance(100);
    expect(state(script)).toMatchObject({ state: 'reconnecting', reason: 'silence' });
    expect(state(script).error!.message).toBe(
      'Nothing came for 35000 ms: check the network, and proxies that buffer.',
    );
  });

  it('a connection stays open when a sleeping machine wakes and reads bytes that had arrived', async () => {
    const script = await connect();
    script.clock.sleep(3_600_000);
    await script.clock.advance(1_000);
    expect(state(script).state).toBe('connected');
    script.last().sink.onLife();
    await script.clock.advance(30_000);
    expect(state(script).state).toBe('connected');
  });

  it('a connection that died during sleep is replaced one ping and two seconds after the wake-up', async () => {
    const script = await connect();
    script.clock.sleep(3_600_000);
    await script.clock.advance(16_999);
    expect(state(script).state).toBe('connected');
    await script.clock.advance(1);
    expect(state(script).reason).toBe('silence');
  });

  it('a connection stays open when the wall clock is set forward at any moment', async () => {
    for (let heldMs = 1_000; heldMs < 35_000; heldMs += 1_000) {
      const script = await connect();
      // Sends pings at 15 s and at 30 s. The clock is set forward between two of them.
      const pings = async (ms: number) => {
        for (let at = 1_000; at <= ms; at += 1_000) {
          await script.clock.advance(1_000);
          passed += 1_000;
          if (passed % 15_000 === 0) script.last().sink.onLife();
        }
      };
      let passed = 0;
      await pings(heldMs);
      script.clock.sleep(3_600_000);
      await pings(120_000);
      expect(state(script)).toMatchObject({ state: 'connected', connectionCount: 1 });
      script.client.close();
    }
  });

  it('a connection stays open when page events follow a wall clock that was set forward', async () => {
    const page = stubPage();
    const script = await connect();
    script.clock.sleep(3_600_000);
    for (let second = 0; second < 15; second += 1) {
      page.fire('online');
      await script.clock.advance(1_000);
    }
    script.last().sink.onLife();
    await script.clock.advance(5_000);
    expect(state(script)).toMatchObject({ state: 'connected', connectionCount: 1 });
  });

  it('the silence timeout does not grow when the transport counts bytes: a large frame is no silence there', async () => {
    const script = await connect();
    for (let round = 0; round < 3; round += 1) {
      await script.clock.advance(34_999);
      expect(state(script).state).toBe('connected');
      await script.clock.advance(1);
      expect(state(script).reason).toBe('silence');
      await script.clock.advance(5_000);
      script.last().hello('e.5');
    }
  });

  it('a silent connection stays open when the server announces no timeout', async () => {
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5', { timeoutMs: 0, pingMs: 0 });
    await script.clock.advance(86_400_000);
    expect(state(script).state).toBe('connected');
  });

  it('silence does not count while a full queue stops reading', async () => {
    const script = createScript({ maxQueuedEvents: 1 });
    let finish = () => {};
    script.client.subscribe('report', () => new Promise<void>((resolve) => (finish = resolve)));
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    for (const id of [1, 2]) script.last().send('report~1', id, `~${id}`);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
    await script.clock.advance(300_000);
    expect(state(script).state).toBe('connected');
    const reasons: string[] = [];
    script.client.connection.subscribe(() => reasons.push(state(script).reason));
    finish();
    await script.settle();
    expect(script.last().sink.full()).toBeUndefined();
    await script.clock.advance(35_100);
    expect(reasons).toContain('silence');
  });
});

describe('page events', () => {
  for (const hint of ['online', 'pageshow', 'resume']) {
    it(`the client ends its wait and retries at once on ${hint}`, async () => {
      const page = stubPage();
      const script = await connect({ connectTimeoutMs: 1_000_000 });
      for (let round = 0; round < 5; round += 1) {
        script.last().lose();
        await script.clock.advance(round < 4 ? 30_000 : 0);
      }
      expect(script.attempts).toHaveLength(5);
      page.fire(hint);
      expect(script.attempts).toHaveLength(6);
      expect(state(script).reason).toBe('page');
    });

    it(`the client expects the next ping in time after ${hint}`, async () => {
      const page = stubPage();
      const script = await connect();
      await script.clock.advance(3_000);
      page.fire(hint);
      await script.clock.advance(17_000);
      expect(state(script).state).toBe('connected');
      await script.clock.advance(100);
      expect(state(script).reason).toBe('silence');
    });
  }

  it('the client replaces an attempt that began before the network returned', async () => {
    const page = stubPage();
    const script = await connect();
    script.last().lose();
    await script.clock.advance(500);
    page.fire('online');
    expect(script.attempts).toHaveLength(3);
    expect(script.attempts[1]!.closed).toBe(true);
  });

  it('the client stays connected while the page is hidden', async () => {
    const page = stubPage();
    const script = await connect();
    page.show('hidden');
    await script.clock.advance(30_000);
    expect(state(script).state).toBe('connected');
  });

  it('pauseWhenHidden pauses a hidden page after graceMs, and reconnects as soon as the page is shown', async () => {
    const page = stubPage();
    const script = await connect({ pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    await script.clock.advance(3_000);
    page.show('visible');
    await script.clock.advance(10_000);
    expect(state(script).state).toBe('connected');
    page.show('hidden');
    await script.clock.advance(4_000);
    expect(state(script)).toMatchObject({ state: 'suspended', reason: 'hidden' });
    expect(script.last().closed).toBe(true);
    expect(script.clock.pending).toBe(0);
    page.show('visible');
    expect(state(script).state).toBe('connecting');
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('a paused client stays paused on every page event while the page is hidden', async () => {
    const page = stubPage();
    const script = await connect({ pauseWhenHidden: true });
    page.show('hidden');
    await script.clock.advance(30_000);
    for (const hint of ['online', 'offline', 'pageshow', 'resume', 'pagehide']) page.fire(hint);
    await script.clock.advance(3_600_000);
    expect(state(script).state).toBe('suspended');
    expect(script.attempts).toHaveLength(1);
    page.show('visible');
    expect(script.attempts).toHaveLength(2);
  });

  it('a page event during the grace period does not postpone the pause of a hidden page', async () => {
    const page = stubPage();
    const script = await connect({ pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    await script.clock.advance(3_000);
    for (const hint of ['online', 'offline', 'pageshow', 'resume']) page.fire(hint);
    await script.clock.advance(999);
    expect(state(script).state).toBe('connected');
    await script.clock.advance(1);
    expect(state(script)).toMatchObject({ state: 'suspended', reason: 'hidden' });
  });

  it('a client that is created in a hidden page is paused graceMs after its first attempt', async () => {
    stubPage('hidden');
    const script = createScript({ pauseWhenHidden: { graceMs: 4_000 } });
    await script.clock.advance(60_000);
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    await script.clock.advance(3_999);
    expect(state(script).state).toBe('connected');
    await script.clock.advance(1);
    expect(state(script).state).toBe('suspended');
  });

  it('a hidden page is paused although its connection is lost repeatedly', async () => {
    const page = stubPage();
    const script = await connect({ pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    for (let round = 0; round < 4; round += 1) {
      script.last().lose();
      await script.clock.advance(1_000);
    }
    expect(state(script).state).toBe('suspended');
  });

  it('a paused client stays paused when a full queue, which had closed the response, has room again', async () => {
    const page = stubPage();
    const script = createScript({ pauseWhenHidden: { graceMs: 4_000 }, maxQueuedEvents: 1 });
    let finish = () => {};
    script.client.subscribe('a', () => new Promise<void>((resolve) => (finish = resolve)));
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    for (const position of [6, 7]) script.last().send('a', position, `e.${position}.${position - 1}`);
    script.last().lose({ full: true });
    page.show('hidden');
    await script.clock.advance(4_000);
    expect(state(script)).toMatchObject({ state: 'suspended', reason: 'hidden' });
    finish();
    await script.settle();
    expect(script.attempts).toHaveLength(1);
  });

  it('a hidden page leaves no pause timer when nothing is subscribed any more', async () => {
    const page = stubPage();
    const script = createScript({ pauseWhenHidden: true, lingerMs: 0 });
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    page.show('hidden');
    stop();
    await script.clock.advance(1);
    expect(state(script).state).toBe('idle');
    expect(script.clock.pending).toBe(0);
  });

  it('the client opens no connection on pagehide', async () => {
    const page = stubPage();
    const script = await connect();
    script.last().lose();
    page.fire('pagehide');
    expect(script.attempts).toHaveLength(1);
  });

  it('the client replaces a first attempt that hangs when the network returns', async () => {
    const page = stubPage();
    const script = createScript();
    script.client.subscribe('a', () => {});
    await script.settle();
    page.fire('pageshow');
    expect(script.attempts).toHaveLength(1);
    page.fire('online');
    expect(script.attempts).toHaveLength(2);
    expect(script.attempts[0]!.closed).toBe(true);
    expect(state(script).state).toBe('connecting');
  });

  for (const [name, lose] of [
    ['Retry-After', (script: Script) => script.last().lose({ error: httpError(429), retryAfter: '60' })],
    [
      'reconnect',
      (script: Script) => script.last().send(FRAME.reconnect, { afterMs: 60_000, reason: 'busy' }),
    ],
  ] as const) {
    it(`the client waits as long as ${name} requires, whatever page events occur`, async () => {
      const page = stubPage();
      const script = await connect({ retry: { baseMs: 1_000_000, capMs: 1_000_000 } });
      lose(script);
      for (const hint of ['online', 'pageshow', 'resume']) page.fire(hint);
      await script.clock.advance(59_000);
      page.show('visible');
      expect(state(script)).toMatchObject({ state: 'reconnecting', retryInMs: 1_000 });
      await script.clock.advance(999);
      expect(script.attempts).toHaveLength(1);
      await script.clock.advance(1);
      expect(script.attempts).toHaveLength(2);
    });
  }

  it('a closed client ignores page events', async () => {
    const page = stubPage();
    const script = await connect();
    script.client.close();
    page.fire('online');
    expect(script.attempts).toHaveLength(1);
  });
});

describe('number options', () => {
  for (const [name, options] of [
    ['createClient: connectTimeoutMs', (value: number) => ({ connectTimeoutMs: value })],
    ['createClient: maxQueuedEvents', (value: number) => ({ maxQueuedEvents: value })],
    ['createClient: lingerMs', (value: number) => ({ lingerMs: value })],
    ['retry: baseMs', (value: number) => ({ retry: { baseMs: value } })],
    ['retry: floorMs', (value: number) => ({ retry: { floorMs: value } })],
    ['retry: capMs', (value: number) => ({ retry: { capMs: value } })],
    ['retry: maxAttempts', (value: number) => ({ retry: { maxAttempts: value } })],
    ['pauseWhenHidden: graceMs', (value: number) => ({ pauseWhenHidden: { graceMs: value } })],
  ] as const) {
    it(`${name} refuses a value that is not a number from 0 up`, () => {
      for (const value of [Number.NaN, -1, '5' as unknown as number, null as unknown as number]) {
        expect(() => createScript(options(value))).toThrowError(
          expect.objectContaining({
            code: 'invalid_option',
            message: `${name} must be a number from 0 up, not ${String(value)}.`,
          }),
        );
      }
      createScript(options(5)).client.close();
      createScript(options(Infinity)).client.close();
      createScript(options(undefined as unknown as number)).client.close();
    });
  }
});

describe('reconnect()', () => {
  it('reconnect() opens another connection at once', async () => {
    const script = await connect();
    script.client.reconnect();
    expect(script.attempts[0]!.closed).toBe(true);
    expect(script.last().opening.cursor).toBe('e.5');
    expect(state(script)).toMatchObject({ state: 'reconnecting', reason: 'asked' });
  });
});
