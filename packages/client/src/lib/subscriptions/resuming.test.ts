import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';

function sendsFrom(script: Script): boolean {
  return script.last().opening.entries.some(({ from }) => from !== undefined);
}

describe('the connection cursor', () => {
  it('a reconnecting client sends the newest id as its cursor, and no from', async () => {
    const script = await connected(['a', 'b']);
    script.last().send('a', 1, 'e.6.0');
    script.last().send('b', 1, 'e.a.0');
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.a',
      entries: [{ address: 'a' }, { address: 'b' }],
    });
    expect(sendsFrom(script)).toBe(false);
  });

  it('a bookmark with an older position does not move the connection cursor back', async () => {
    const script = await connected();
    script.last().send('a', 1, 'e.9.5');
    script.last().send(FRAME.bookmark, {}, 'e.7');
    expect(script.client.cursor).toBe('e.9');
    await script.cut();
    expect(script.last().opening.cursor).toBe('e.9');
  });

  it('the connection cursor advances with bookmarks, stream ids, and events without a subscription', async () => {
    const script = await connected();
    const cursorAfter = async (event: string, id: string) => {
      script.last().send(event, {}, id);
      await script.cut();
      const { cursor } = script.last().opening;
      script.last().accept(Number(cursor?.slice(2)));
      await script.clock.advance(10_000);
      return cursor;
    };
    expect(await cursorAfter(FRAME.bookmark, 'e.7')).toBe('e.7');
    expect(await cursorAfter('report~9', 'e.8~1')).toBe('e.8');
    expect(await cursorAfter('other', 'e.9.0')).toBe('e.9');
    expect(await cursorAfter('other', 'e.6.0')).toBe('e.9');
  });

  it('an address that was never accepted starts from now after a reconnection', async () => {
    const script = await connected();
    script.listen('b');
    await script.cut();
    expect(script.last().opening.entries).toContainEqual({ address: 'b', key: '2', from: 'now' });
  });

  it('the connection cursor is not sent when no address shares it any more', async () => {
    const script = createScript();
    const stop = script.listen('a');
    await script.accept();
    script.listen('b');
    stop();
    await script.clock.advance(1_000);
    await script.cut();
    expect(script.last().opening).toEqual(
      expect.objectContaining({ cursor: undefined, entries: [{ address: 'b', key: '2', from: 'now' }] }),
    );
  });

  it('the cursor of an earlier connection is not used for a connection on which no address shares it', async () => {
    const script = createScript();
    const stop = script.listen('a');
    await script.accept();
    script.last().send('a', 9, 'e.9.5');
    script.listen('b', { from: 'old.1', onGap: () => {} });
    stop();
    await script.clock.advance(1_000);
    await script.cut();
    script.last().hello();
    script.last().subscribed('b', 3);
    script.last().send(FRAME.gap, { address: 'b', from: 'old.1', to: 'e.3', reason: 'epoch' });
    // The connection ends before the bookmark with its new position.
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: undefined,
      entries: [{ address: 'b', from: 'e.3' }],
    });
  });

  it('an event that is delivered again after a reconnection is dropped', async () => {
    const script = createScript();
    const { got } = script.listen('a');
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    script.last().deliver('a', 7);
    await script.reconnect();
    script.last().deliver('a', 6, 7, 8);
    expect(got).toEqual([6, 7, 8]);
  });

  it('a stream resumes from its own last id', async () => {
    const script = createScript();
    await script.runStream('report');
    script.last().send('report~1', 1, '~a%2Fb');
    await script.cut();
    expect(script.last().opening.entries).toEqual([{ address: 'report', from: '~a%2Fb', key: '1' }]);
  });

  it('a subscription sends its from, and encodes one that looks like a stream marker', async () => {
    const script = createScript();
    for (const from of ['earliest', 'e.7', 'step 1', '~!', 'now']) script.listen('a', { from });
    await script.settle();
    expect(script.last().opening.entries.map((entry) => entry.from)).toEqual([
      'earliest',
      'e.7',
      'step 1',
      '~%7E!',
      'now',
    ]);
  });
});

describe('two subscriptions to a stream before its first acceptance', () => {
  for (const [name, options] of [
    ['the first', [{ restart: true }, {}]],
    ['the second', [{}, { restart: true }]],
  ] as const) {
    it(`a stream without ids runs again only for ${name} subscription, which set restart`, async () => {
      const script = createScript();
      for (const option of options) script.listen('r', option);
      await script.settle();
      script.last().hello('e.0');
      script.last().acceptStream('r', '1');
      await script.settle();
      script.last().acceptStream('r', '2', 1);
      for (const event of ['r~1', 'r~2']) script.last().send(event, 1, 'e.0~');
      await script.cut();
      expect(script.last().opening.entries).toEqual(
        options.map((option, index) => ({
          address: 'r',
          key: `${index + 1}`,
          ...(!('restart' in option) && { from: '~' }),
        })),
      );
    });
  }

  it('a stream without ids does not run again when the subscription that set restart has left', async () => {
    const script = createScript();
    const stop = script.listen('r', { restart: true });
    await script.request('r');
    stop();
    script.last().hello('e.0');
    script.last().acceptStream('r', '1');
    script.last().send('r~1', 1, 'e.0~');
    await script.cut();
    expect(script.last().opening.entries).toEqual([{ address: 'r', key: '1', from: '~' }]);
  });
});

describe('addresses with their own position', () => {
  it('an address in a rewind keeps its own position until it has caught up', async () => {
    const script = await connected();
    const { got: past } = await script.request('b', { from: 'earliest' });
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.5' });
    script.last().deliver('b', 1, 2);
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.5',
      entries: [
        { address: 'b', from: 'e.2' },
        { address: 'a', key: '1' },
      ],
    });
    script.last().hello('e.5');
    script.last().subscribed('b', 2, { rewind: true });
    script.last().subscribed('a', 5);
    script.last().deliver('b', 3);
    script.last().send(FRAME.caughtup, { address: 'b' });
    script.last().send('b', 6, 'e.6.3');
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening.cursor).toBe('e.6');
    expect(sendsFrom(script)).toBe(false);
    expect(past).toEqual([1, 2, 3, 6]);
  });

  it('an address keeps its position when the connection is lost before it is accepted again', async () => {
    const script = await connected(['a', 'b']);
    await script.cut();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().send('a', 9, 'e.9.5');
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.9',
      entries: [{ address: 'b', from: 'e.5' }, { address: 'a' }],
    });
  });

  it('every entry of an address gets an event, although the handler of the first one reconnects', async () => {
    const script = createScript();
    script.listen('b', { from: 'earliest', handler: () => script.client.reconnect() });
    const { got } = script.listen('b');
    await script.accept();
    script.last().send('b', 1, 'e.6.5');
    await script.settle();
    expect(got).toEqual([1]);
    expect(script.last().opening).toMatchObject({ cursor: 'e.6', entries: [{}, {}] });
  });

  it('a refused entry keeps its position when another entry of its address has caught up', async () => {
    const script = createScript();
    script.listen('a');
    script.listen('b');
    script.listen('b', { from: 'earliest' });
    await script.accept();
    await script.cut();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().send('a', 9, 'e.9.5');
    script.last().subscribed('b', 5, { key: '3', rewind: true });
    script.last().refuse('b', { ...RETRYABLE, key: '2' });
    script.last().send(FRAME.caughtup, { address: 'b' });
    script.last().send('b', 1, 'e.a.5');
    await script.clock.advance(1_000);
    expect(script.controls.at(-1)).toMatchObject({ add: [{ address: 'b', key: '2', from: 'e.5' }] });
  });

  it('an address with a retryable refusal keeps its position', async () => {
    const script = await connected(['a', 'b']);
    await script.cut();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().refuse('b', RETRYABLE);
    script.last().send('a', 9, 'e.9.0');
    await script.clock.advance(2_000);
    expect(script.controls).toMatchObject([{ add: [{ address: 'b', from: 'e.5' }] }]);
  });

  it('a subscription that joins a rewind by another address does not share the connection cursor', async () => {
    const script = await connected('z');
    await script.request('p', { params: { s: 'A' }, from: 'earliest' });
    script.last().subscribed('p?s=A', 0, { rewind: true, n: 1, tail: 'e.9' });
    await script.request('p', { params: { s: 'a' } });
    script.last().subscribed('p?s=a', 0, { event: 'p?s=A', n: 2, tail: 'e.9' });
    await script.cut();
    expect(script.last().opening.entries).toContainEqual({ address: 'p?s=a', key: '3', from: 'e.0' });
  });

  it('event ids of a rewind do not move the connection cursor', async () => {
    const script = await connected();
    await script.request('b', { from: 'earliest' });
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.9' });
    script.last().send('b', 8, 'e.8.0');
    expect(script.client.cursor).toBe('e.5');
    await script.cut();
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('an address that starts past the connection cursor keeps its start until the cursor has passed it', async () => {
    const script = await connected();
    await script.request('b');
    script.last().subscribed('b', 9, { n: 1 });
    await script.cut();
    expect(script.last().opening.entries).toContainEqual({ address: 'b', key: '2', from: 'e.9' });
    script.last().hello('e.5');
    script.last().subscribed('b', 9);
    script.last().subscribed('a', 5);
    script.last().send('a', 1, 'e.a.0');
    await script.clock.advance(10_000);
    await script.cut();
    expect(sendsFrom(script)).toBe(false);
  });

  it('a live entry keeps its own position while another entry of its event name is replayed', async () => {
    const script = createScript();
    const { got: live } = script.listen('a');
    script.listen('b');
    await script.accept();
    script.last().send('a', 6, 'e.6.2');
    const { got: past } = await script.request('a', { from: 'earliest' });
    script.last().subscribed('a', 0, { n: 1, tail: 'e.6', rewind: true });
    script.last().send('a', 2, 'e.2.0');
    script.last().send('b', 9, 'e.9.0');
    expect(script.client.cursor).toBe('e.9');
    past.length = 0;
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.9',
      entries: [
        { address: 'a', key: '1', from: 'e.6' },
        { address: 'a', key: '3', from: 'e.2' },
        { address: 'b', key: '2' },
      ],
    });
    script.last().hello('e.9');
    script.last().subscribed('a', 6, { key: '1', rewind: true });
    script.last().subscribed('a', 2, { key: '3', rewind: true });
    script.last().subscribed('b', 9, { key: '2' });
    script.last().send('a', 6, 'e.6.2');
    script.last().send('a', 8, 'e.8.6');
    script.last().send(FRAME.caughtup, { address: 'a' });
    script.last().send('a', 10, 'e.a.8');
    expect(past).toEqual([6, 8, 10]);
    expect(live).toEqual([6, 8, 10]);
    expect(script.attempts).toHaveLength(2);
    await script.clock.advance(10_000);
    await script.cut();
    expect(sendsFrom(script)).toBe(false);
  });

  it('a subscription with an older from is requested before a live one of the same address', async () => {
    const script = createScript();
    const { got: live } = script.listen('a');
    const { got: past } = await script.request('a', { from: 'earliest' });
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '2', from: 'earliest' },
      { address: 'a', key: '1', from: 'now' },
    ]);
    script.last().hello('e.0');
    script.last().subscribed('a', 0, { tail: 'e.2' });
    script.last().subscribed('a', 2);
    script.last().deliver('a', 1, 2, 3);
    expect(past).toEqual([1, 2, 3]);
    expect(live).toEqual([3]);
    expect(script.attempts).toHaveLength(1);
  });
});
