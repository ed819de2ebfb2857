import { afterEach, describe, expect, it, vi } from 'vitest';
import { connected, createScript } from '../../../test/scripted-client.ts';
import { hold } from '../../../test/held-handler.ts';
import { stubPage } from '../../../test/stub-page.ts';

afterEach(() => vi.unstubAllGlobals());

describe('a silent connection', () => {
  it('the client ends an attempt without hello after connectTimeoutMs, even when bytes arrive', async () => {
    const script = createScript({ connectTimeoutMs: 4_000 });
    script.listen('a');
    await script.clock.advance(3_999);
    script.last().sink.onLife();
    expect(script.last().closed).toBe(false);
    await script.clock.advance(1);
    expect(script.attempts[0]!.closed).toBe(true);
    expect(script.state()).toMatchObject({ reason: 'connect_timeout', error: { code: 'connect_timeout' } });
  });

  it('the client ends a silent connection after the announced timeout, and any byte restarts the timeout', async () => {
    const script = await connected();
    await script.clock.advance(34_900);
    script.last().sink.onLife();
    await script.clock.advance(34_900);
    expect(script.state().state).toBe('connected');
    await script.clock.advance(100);
    expect(script.state()).toMatchObject({ state: 'reconnecting', reason: 'silence' });
    expect(script.state().error!.message).toBe(
      'No bytes arrived for 35000 ms: check the network, and proxies that buffer.',
    );
  });

  it('a connection stays open when a sleeping machine wakes and reads bytes that had arrived', async () => {
    const script = await connected();
    script.clock.sleep(3_600_000);
    await script.clock.advance(1_000);
    expect(script.state().state).toBe('connected');
    script.last().sink.onLife();
    await script.clock.advance(30_000);
    expect(script.state().state).toBe('connected');
  });

  it('a connection that died during sleep is replaced one ping and two seconds after the wake-up', async () => {
    const script = await connected();
    script.clock.sleep(3_600_000);
    await script.clock.advance(16_999);
    expect(script.state().state).toBe('connected');
    await script.clock.advance(1);
    expect(script.state().reason).toBe('silence');
  });

  it('a connection stays open when the wall clock is set forward at any moment', async () => {
    for (let heldMs = 1_000; heldMs < 35_000; heldMs += 1_000) {
      const script = await connected();
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
      expect(script.state()).toMatchObject({ state: 'connected', connectionCount: 1 });
      script.client.close();
    }
  });

  it('a connection stays open when page events follow a wall clock that was set forward', async () => {
    const page = stubPage();
    const script = await connected();
    script.clock.sleep(3_600_000);
    for (let second = 0; second < 15; second += 1) {
      page.fire('online');
      await script.clock.advance(1_000);
    }
    script.last().sink.onLife();
    await script.clock.advance(5_000);
    expect(script.state()).toMatchObject({ state: 'connected', connectionCount: 1 });
  });

  it('the silence timeout does not grow when the transport counts bytes: a large frame is not silence there', async () => {
    const script = await connected();
    for (let round = 0; round < 3; round += 1) {
      await script.clock.advance(34_999);
      expect(script.state().state).toBe('connected');
      await script.clock.advance(1);
      expect(script.state().reason).toBe('silence');
      await script.clock.advance(5_000);
      script.last().hello('e.5');
    }
  });

  it('a silent connection stays open when the server announces no timeout', async () => {
    const script = createScript();
    await script.request('a');
    script.last().hello('e.5', { timeoutMs: 0, pingMs: 0 });
    await script.clock.advance(86_400_000);
    expect(script.state().state).toBe('connected');
  });

  it('silence does not count while a full queue stops reading', async () => {
    const script = createScript({ maxQueuedEvents: 1 });
    const { handler, finish } = hold();
    await script.runStream('report', { handler });
    for (const id of [1, 2]) script.last().send('report~1', id, `~${id}`);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
    await script.clock.advance(300_000);
    expect(script.state().state).toBe('connected');
    const reasons: string[] = [];
    script.client.connection.subscribe(() => reasons.push(script.state().reason));
    finish();
    await script.settle();
    expect(script.last().sink.full()).toBeUndefined();
    await script.clock.advance(35_100);
    expect(reasons).toContain('silence');
  });
});
