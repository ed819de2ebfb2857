import { FRAME } from '@linefeed/shared/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import { handle, hold } from '../../../test/held-handler.ts';
import { stubPage } from '../../../test/stub-page.ts';
import { persistCursor, toOpenPersistence, toPersist, type Persistence } from './persist.ts';

afterEach(() => vi.unstubAllGlobals());

describe('persistCursor', () => {
  function createStorage(kept?: string): {
    getItem: (key: string) => string | null;
    setItem: (key: string, value: string) => void;
    written: string[];
  } {
    const items = new Map<string, string>(kept === undefined ? [] : [['linefeed /events ', kept]]);
    const written: string[] = [];
    return {
      getItem: (key) => items.get(key) ?? null,
      setItem(key, value) {
        items.set(key, value);
        written.push(value);
      },
      written,
    };
  }

  it('persistCursor resumes the subscribed addresses from the committed cursor after a reload', async () => {
    const storage = createStorage();
    const before = await handle({}, { persist: persistCursor({ storage }) });
    before.deliver(1, 2);
    before.finish();
    await before.script.clock.advance(1_000);
    const after = createScript({ persist: persistCursor({ storage }) });
    after.listen('a');
    await after.request('b');
    expect(after.last().opening.entries).toEqual([
      { address: 'a', key: '1', from: 'e.1' },
      { address: 'b', key: '2', from: 'now' },
    ]);
  });

  it.each([
    ['caught up', 'e.5', async (script: Script) => script.last().send(FRAME.caughtup, { address: 'b' })],
    [
      'caught up before a reconnect',
      'e.5',
      async (script: Script) => {
        script.last().send(FRAME.caughtup, { address: 'b' });
        await script.cut();
        script.last().hello('e.5');
        script.last().subscribed('a', 5);
        script.last().subscribed('b', 5);
      },
    ],
    [
      'resumed with the connection cursor',
      'e.2',
      async (script: Script) => {
        await script.cut();
        script.last().hello('e.2');
        script.last().subscribed('b', 2);
        script.last().subscribed('a', 5);
      },
    ],
  ])('persistCursor adds an address that has %s when its replay is handled', async (_, cursor, catchUp) => {
    const storage = createStorage();
    let persistence!: Persistence;
    const script = createScript({
      persist: toPersist(
        (context) => (persistence = toOpenPersistence(persistCursor({ storage }))!(context)),
      ),
    });
    const { handler, finish } = hold();
    script.listen('a');
    await script.accept();
    await script.request('b', { handler, from: 'earliest' });
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.5' });
    script.last().deliver('b', 1, 2);
    await catchUp(script);
    const kept = () => {
      persistence.flush();
      return storage.getItem('linefeed /events ');
    };
    expect(kept()).toBe('e.5 a');
    finish();
    await script.settle();
    expect(kept()).toBe('e.5 a');
    finish();
    await script.settle();
    expect(kept()!.split(' ').toSorted()).toEqual(['a', 'b', cursor]);
    script.client.close();
  });

  it('persistCursor stores one cursor for each identity, and writes it when the client is closed', async () => {
    const storage = createStorage();
    const before = await handle({}, { persist: persistCursor({ storage, identity: 'ann' }) });
    before.deliver(1);
    before.finish();
    await before.script.settle();
    before.script.client.close();
    for (const [identity, from] of [
      ['ann', 'e.1'],
      ['bob', 'now'],
    ] as const) {
      const after = createScript({ persist: persistCursor({ storage, identity }) });
      await after.request('a');
      expect(after.last().opening.entries[0]!.from).toBe(from);
    }
  });

  it('persistCursor restores an address once: a later subscription in the same page gets no event twice', async () => {
    const script = createScript({ persist: persistCursor({ storage: createStorage('e.3 a') }) });
    const got: unknown[] = [];
    const handler = (payload: unknown) => got.push(payload);
    script.listen('z');
    const stop = await script.request('a', { handler });
    expect(script.last().opening.entries).toContainEqual({ address: 'a', key: '2', from: 'e.3' });
    script.last().accept(3);
    script.last().deliver('a', 4, 5);
    stop();
    await script.clock.advance(1_000);
    script.last().send(FRAME.end, { address: 'a', n: 1 });
    await script.request('a', { handler });
    expect(script.controls.at(-1)!.add).toEqual([{ address: 'a', key: '3', from: 'now' }]);
    expect(got).toEqual([4, 5]);
  });

  it('persistCursor leaves the restored cursor to the next subscription when the first one has its own from', async () => {
    const script = createScript({ persist: persistCursor({ storage: createStorage('e.3 a') }) });
    script.listen('a', { from: 'now' });
    await script.request('a');
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '2', from: 'e.3' },
      { address: 'a', key: '1', from: 'now' },
    ]);
  });

  it('persistCursor keeps restored addresses for later subscriptions until the cursor has moved past them', async () => {
    const storage = createStorage('e.3 a b');
    const script = createScript({ persist: persistCursor({ storage }) });
    script.listen('a');
    await script.accept(3);
    await script.clock.advance(1_000);
    expect(storage.written).toEqual(['e.3 a b']);
    script.last().deliver('a', 4);
    await script.clock.advance(1_000);
    expect(storage.written.at(-1)).toBe('e.4 a');
    await script.request('b');
    expect(script.controls.at(-1)!.add).toEqual([{ address: 'b', key: '2', from: 'now' }]);
  });

  it('persistCursor keeps the stored cursor when the page is left before it has connected', async () => {
    const storage = createStorage('e.3 a');
    const script = createScript({ persist: persistCursor({ storage }) });
    await script.request('a');
    script.client.close();
    expect(storage.getItem('linefeed /events ')).toBe('e.3 a');
  });

  it('persistCursor writes last in close(), without the events that are still being handled', async () => {
    const storage = createStorage();
    const { script, deliver } = await handle({}, { persist: persistCursor({ storage }) });
    deliver(1);
    await script.clock.advance(1_000);
    script.client.close();
    expect(storage.written.at(-1)).toBe('e.0 a');
    const { length } = storage.written;
    await script.clock.advance(10_000);
    expect(storage.written).toHaveLength(length);
  });

  it('persistCursor writes once per second, however many events are handled', async () => {
    const storage = createStorage();
    const script = createScript({ persist: persistCursor({ storage }) });
    script.listen('a');
    await script.accept(0);
    for (let position = 1; position <= 35; position += 1) {
      script.last().deliver('a', position);
      await script.clock.advance(100);
    }
    // One commit every 100 ms and one write per 10 commits: the 10th, the 20th and the 30th.
    expect(storage.written).toEqual(['e.a a', 'e.k a', 'e.u a']);
  });

  it('persistCursor does not cover an address that is replayed or not accepted yet', async () => {
    const storage = createStorage();
    const { script } = await handle({}, { persist: persistCursor({ storage }) });
    await script.request('b', { from: 'earliest' });
    script.last().subscribed('b', 0, { n: 1, rewind: true });
    script.listen('c');
    await script.clock.advance(1_000);
    expect(storage.written.at(-1)).toBe('e.0 a');
  });

  for (const leave of ['hidden', 'pagehide']) {
    it(`persistCursor writes at once on ${leave}`, async () => {
      const page = stubPage();
      const storage = createStorage();
      const { script } = await handle({}, { persist: persistCursor({ storage }) });
      expect(storage.written).toEqual([]);
      if (leave === 'hidden') page.show('hidden');
      else page.fire('pagehide');
      expect(storage.written).toEqual(['e.0 a']);
      script.client.close();
    });
  }
});
