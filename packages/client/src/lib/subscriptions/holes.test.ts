import { describe, expect, it } from 'vitest';
import { connected, createScript } from '../../../test/scripted-client.ts';

describe('a hole in the events of an address', () => {
  it('a hole that the server did not announce makes the client resume from the event before it', async () => {
    const script = createScript();
    const { got } = script.listen('a');
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    script.last().deliver('a', 9);
    await script.clock.advance(500);
    expect(script.errors).toMatchObject([{ code: 'hole', address: 'a' }]);
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '1', from: 'e.6' }]);
    script.last().accept(6);
    script.last().send('a', 8, 'e.8.6');
    script.last().deliver('a', 9);
    expect(got).toEqual([6, 8, 9]);
  });

  it('a hole that remains after a resume is reported as a gap', async () => {
    const script = createScript();
    const gaps: unknown[] = [];
    const { got } = script.listen('a', { onGap: (gap: unknown) => gaps.push(gap) });
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    script.last().deliver('a', 9);
    await script.clock.advance(500);
    script.last().accept(6);
    script.last().deliver('a', 9);
    await script.settle();
    expect(gaps).toMatchObject([{ address: 'a', from: 'e.6', to: 'e.8', reason: 'unknown' }]);
    expect(got).toEqual([6, 9]);
    expect(script.attempts).toHaveLength(2);
  });
});

describe('an acceptance past the given cursor without a gap', () => {
  it('an acceptance past its from is a hole: the address is requested again, and a second one is a gap', async () => {
    const script = createScript();
    const gaps: unknown[] = [];
    script.listen('z');
    const { got } = await script.request('a', { from: 'e.2', onGap: (gap: unknown) => void gaps.push(gap) });
    script.last().hello('e.2');
    script.last().subscribed('a', 9);
    expect(script.errors).toMatchObject([]);
    await script.settle();
    expect(script.errors).toMatchObject([{ code: 'hole', address: 'a' }]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toContainEqual({ address: 'a', key: '2', from: 'e.2' });
    script.last().hello('e.2');
    script.last().subscribed('a', 9);
    script.last().subscribed('z', 9);
    script.last().deliver('a', 10);
    await script.settle();
    expect(gaps).toMatchObject([{ address: 'a', from: 'e.2', to: 'e.9', reason: 'unknown' }]);
    expect(got).toEqual([10]);
    expect(script.attempts).toHaveLength(2);
  });

  it('an acceptance past the connection cursor is a hole', async () => {
    const script = await connected();
    await script.reconnect(9);
    await script.clock.advance(500);
    expect(script.errors).toMatchObject([{ code: 'hole' }]);
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '1', from: 'e.5' }]);
  });

  it('an acceptance is not a hole at or before its from, in another epoch, or without a cursor', async () => {
    for (const [from, cursor] of [
      ['e.5', 'e.5'],
      ['e.5', 'e.2'],
      ['old.1', 'e.5'],
      ['earliest', 'e.5'],
      [undefined, 'e.5'],
    ] as const) {
      const script = createScript();
      await script.request('a', { from });
      script.last().hello();
      script.last().subscribed('a', 5, { cursor });
      await script.settle();
      expect(script.errors).toEqual([]);
      expect(script.attempts).toHaveLength(1);
    }
  });

  it('an acceptance is not a hole when a rewind of its event name starts there', async () => {
    const script = createScript();
    script.listen('a', { from: 'e.2' });
    await script.accept(2);
    script.last().send('a', 9, 'e.9.2');
    script.last().subscribed('a', 7, { rewind: true });
    await script.settle();
    expect(script.errors).toEqual([]);
  });
});
