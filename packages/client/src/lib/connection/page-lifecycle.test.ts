import { FRAME } from '@linefeed/shared/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { httpError } from '../../../test/scripted-transport.ts';
import { hold } from '../../../test/held-handler.ts';
import { stubPage } from '../../../test/stub-page.ts';
import { watchPage } from './page-lifecycle.ts';

afterEach(() => vi.unstubAllGlobals());

it('watchPage does nothing outside a page', () => {
  const stop = watchPage(() => expect.unreachable());
  stop();
});

describe('page events', () => {
  for (const hint of ['online', 'pageshow', 'resume']) {
    it(`the client ends its wait and retries at once on ${hint}`, async () => {
      const page = stubPage();
      const script = await connected('a', { connectTimeoutMs: 1_000_000 });
      for (let round = 0; round < 5; round += 1) {
        script.last().lose();
        await script.clock.advance(round < 4 ? 30_000 : 0);
      }
      expect(script.attempts).toHaveLength(5);
      page.fire(hint);
      expect(script.attempts).toHaveLength(6);
      expect(script.state().reason).toBe('page');
    });

    it(`the client reconnects when the next ping is late after ${hint}`, async () => {
      const page = stubPage();
      const script = await connected();
      await script.clock.advance(3_000);
      page.fire(hint);
      await script.clock.advance(17_000);
      expect(script.state().state).toBe('connected');
      await script.clock.advance(100);
      expect(script.state().reason).toBe('silence');
    });
  }

  it('the client replaces an attempt that began before the network returned', async () => {
    const page = stubPage();
    const script = await connected();
    await script.cut();
    page.fire('online');
    expect(script.attempts).toHaveLength(3);
    expect(script.attempts[1]!.closed).toBe(true);
  });

  it('the client stays connected while the page is hidden', async () => {
    const page = stubPage();
    const script = await connected();
    page.show('hidden');
    await script.clock.advance(30_000);
    expect(script.state().state).toBe('connected');
  });

  it('pauseWhenHidden pauses a hidden page after graceMs, and reconnects as soon as the page is shown', async () => {
    const page = stubPage();
    const script = await connected('a', { pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    await script.clock.advance(3_000);
    page.show('visible');
    await script.clock.advance(10_000);
    expect(script.state().state).toBe('connected');
    page.show('hidden');
    await script.clock.advance(4_000);
    expect(script.state()).toMatchObject({ state: 'suspended', reason: 'hidden' });
    expect(script.last().closed).toBe(true);
    expect(script.clock.pending).toBe(0);
    page.show('visible');
    expect(script.state().state).toBe('connecting');
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('a paused client stays paused on every page event while the page is hidden', async () => {
    const page = stubPage();
    const script = await connected('a', { pauseWhenHidden: true });
    page.show('hidden');
    await script.clock.advance(30_000);
    for (const hint of ['online', 'offline', 'pageshow', 'resume', 'pagehide']) page.fire(hint);
    await script.clock.advance(3_600_000);
    expect(script.state().state).toBe('suspended');
    expect(script.attempts).toHaveLength(1);
    page.show('visible');
    expect(script.attempts).toHaveLength(2);
  });

  it('a page event during the grace period does not postpone the pause of a hidden page', async () => {
    const page = stubPage();
    const script = await connected('a', { pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    await script.clock.advance(3_000);
    for (const hint of ['online', 'offline', 'pageshow', 'resume']) page.fire(hint);
    await script.clock.advance(999);
    expect(script.state().state).toBe('connected');
    await script.clock.advance(1);
    expect(script.state()).toMatchObject({ state: 'suspended', reason: 'hidden' });
  });

  it('a client that is created in a hidden page is paused graceMs after its first attempt', async () => {
    stubPage('hidden');
    const script = createScript({ pauseWhenHidden: { graceMs: 4_000 } });
    await script.clock.advance(60_000);
    await script.request('a');
    script.last().hello('e.5');
    await script.clock.advance(3_999);
    expect(script.state().state).toBe('connected');
    await script.clock.advance(1);
    expect(script.state().state).toBe('suspended');
  });

  it('a hidden page is paused although its connection is lost repeatedly', async () => {
    const page = stubPage();
    const script = await connected('a', { pauseWhenHidden: { graceMs: 4_000 } });
    page.show('hidden');
    for (let round = 0; round < 4; round += 1) {
      script.last().lose();
      await script.clock.advance(1_000);
    }
    expect(script.state().state).toBe('suspended');
  });

  it('a paused client stays paused when a full queue, which had closed the response, has room again', async () => {
    const page = stubPage();
    const script = createScript({ pauseWhenHidden: { graceMs: 4_000 }, maxQueuedEvents: 1 });
    const { handler, finish } = hold();
    script.listen('a', { handler });
    await script.accept();
    script.last().deliver('a', 6, 7);
    script.last().lose({ full: true });
    page.show('hidden');
    await script.clock.advance(4_000);
    expect(script.state()).toMatchObject({ state: 'suspended', reason: 'hidden' });
    finish();
    await script.settle();
    expect(script.attempts).toHaveLength(1);
  });

  it('a hidden page leaves no pause timer when nothing is subscribed any more', async () => {
    const page = stubPage();
    const script = createScript({ pauseWhenHidden: true, lingerMs: 0 });
    const stop = await script.request('a');
    page.show('hidden');
    stop();
    await script.clock.advance(1);
    expect(script.state().state).toBe('idle');
    expect(script.clock.pending).toBe(0);
  });

  it('the client opens no connection on pagehide', async () => {
    const page = stubPage();
    const script = await connected();
    script.last().lose();
    page.fire('pagehide');
    expect(script.attempts).toHaveLength(1);
  });

  it('the client replaces a first attempt that hangs when the network returns', async () => {
    const page = stubPage();
    const script = createScript();
    await script.request('a');
    page.fire('pageshow');
    expect(script.attempts).toHaveLength(1);
    page.fire('online');
    expect(script.attempts).toHaveLength(2);
    expect(script.attempts[0]!.closed).toBe(true);
    expect(script.state().state).toBe('connecting');
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
      const script = await connected('a', { retry: { baseMs: 1_000_000, capMs: 1_000_000 } });
      lose(script);
      for (const hint of ['online', 'pageshow', 'resume']) page.fire(hint);
      await script.clock.advance(59_000);
      page.show('visible');
      expect(script.state()).toMatchObject({ state: 'reconnecting', retryInMs: 1_000 });
      await script.clock.advance(999);
      expect(script.attempts).toHaveLength(1);
      await script.clock.advance(1);
      expect(script.attempts).toHaveLength(2);
    });
  }

  it('a closed client ignores page events', async () => {
    const page = stubPage();
    const script = await connected();
    script.client.close();
    page.fire('online');
    expect(script.attempts).toHaveLength(1);
  });
});
