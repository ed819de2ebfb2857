import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { cursorAt } from '../../../test/scripted-transport.ts';

describe('a lingering address', () => {
  it('an address is removed lingerMs after its last subscription has ended', async () => {
    const script = await connected();
    const first = script.listen('b');
    const second = await script.join('b');
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
    const script = await connected();
    const first = await script.join('b');
    first();
    await script.clock.advance(900);
    const again = script.listen('b');
    await again.ready;
    await script.clock.advance(5_000);
    expect(script.controls).toHaveLength(1);
  });

  it('a lingering address is removed on time, even when the connection is replaced', async () => {
    const script = await connected('z', { lingerMs: 3_000 });
    const stop = await script.join('a');
    stop();
    await script.reconnect();
    expect(script.controls).toHaveLength(1);
    await script.clock.advance(2_500);
    expect(script.controls[1]).toMatchObject({ add: [], remove: ['a'] });
  });

  it('a linger before the acceptance causes no second request', async () => {
    const script = await connected('z');
    script.listen('a')();
    const stop = await script.request('b');
    stop();
    await script.clock.advance(900);
    const again = script.listen('b');
    script.last().subscribed('b', 5, { n: 1 });
    await again.ready;
    await script.clock.advance(5_000);
    expect(script.controls).toHaveLength(1);
  });

  it('a lingering address is not removed on a connection that never had it', async () => {
    const script = await connected('z', { lingerMs: 0 });
    const stop = await script.join('a');
    script.last().lose();
    stop();
    await script.clock.advance(500);
    script.last().accept();
    await script.settle();
    expect(script.controls).toHaveLength(1);
  });
});

describe('a subscription with a from to a known address', () => {
  /** Connects at `e.5`. The only subscriber of `a` leaves at `e.7`, and one more event follows. */
  async function lingering(): Promise<Script> {
    const script = createScript();
    script.listen('z');
    const stop = script.listen('a');
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    script.last().deliver('a', 7);
    stop();
    script.last().deliver('a', 8);
    return script;
  }

  it('a subscription with a from within the linger time gets the missed events without a request', async () => {
    const script = await lingering();
    const infos: unknown[] = [];
    const { got, ready } = script.listen('a', {
      from: 'e.7',
      handler: (_data, { cursor, replayed }) => infos.push({ cursor, replayed }),
    });
    await ready;
    expect(got).toEqual([8]);
    expect(infos).toEqual([{ cursor: 'e.8', replayed: true }]);
    script.last().deliver('a', 9);
    expect(got).toEqual([8, 9]);
    await script.clock.advance(5_000);
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
  });

  it('repeated subscriptions with a from use one entry', async () => {
    const script = await lingering();
    let got: unknown[] = [];
    for (let round = 8; round < 40; round += 1) {
      const again = await script.request('a', { from: cursorAt(round - 1) });
      expect(again.got).toEqual([round]);
      got = again.got;
      again();
      script.last().deliver('a', round + 1);
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
      script.listen('a', { from: 'e.3' })();
      script.listen('a', { from: 'e.3', handler: (payload) => got.push(payload) });
    }
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '2', from: 'e.3' }]);
    script.last().accept(3);
    script.last().deliver('a', 4);
    expect(got).toEqual([4, 4, 4]);
  });

  it('a subscription with a from joins an entry at an earlier position, and gets no event up to its from', async () => {
    const script = await connected(['z', 'a']);
    script.last().send('a', 6, 'e.6.0');
    script.last().send('z', 8, 'e.8.0');
    const { got } = await script.request('a', { from: 'e.7' });
    expect(script.controls).toEqual([]);
    await script.clock.advance(10_000);
    await script.cut();
    script.last().hello('e.8');
    script.last().subscribed('a', 6);
    script.last().deliver('a', 7);
    script.last().send('a', 9, 'e.9.7');
    expect(got).toEqual([9]);
  });

  it('a from before the events kept by a lingering address causes a request', async () => {
    const script = await lingering();
    await script.request('a', { from: 'e.6' });
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.6' }] }]);
  });

  it('a from past the received events causes a request', async () => {
    const script = await lingering();
    await script.request('a', { from: 'e.9' });
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.9' }] }]);
  });

  it('a from before events that another subscription has got since causes a request', async () => {
    const script = await lingering();
    const stop = script.listen('a', { from: 'e.7' });
    script.last().deliver('a', 9);
    stop();
    script.last().deliver('a', 10);
    expect(script.listen('a', { from: 'e.7' }).got).toEqual([]);
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.7' }] }]);
    const { got } = await script.request('a', { from: 'e.9' });
    expect(got).toEqual([10]);
  });

  it('a from before a gap during the linger time causes a request', async () => {
    const script = await lingering();
    script.last().send(FRAME.gap, { address: 'a', from: 'e.8', to: 'e.9', reason: 'trimmed' });
    script.last().send(FRAME.bookmark, {}, 'e.9');
    await script.request('a', { from: 'e.7' });
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.7' }] }]);
  });

  it('a lingering address keeps 1,000 events, and a from causes a request after more', async () => {
    for (const [more, requests] of [
      [999, 0],
      [1_000, 1],
    ] as const) {
      const script = await lingering();
      for (let position = 9; position < 9 + more; position += 1) {
        script.last().deliver('a', position);
      }
      const { got } = await script.request('a', { from: 'e.7' });
      expect(script.controls).toHaveLength(requests);
      expect(got).toHaveLength(requests === 0 ? 1_000 : 0);
    }
  });
});
