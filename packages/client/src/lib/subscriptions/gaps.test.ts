import type { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it, vi } from 'vitest';
import { handle } from '../../../test/held-handler.ts';
import { createScript, type Script } from '../../../test/scripted-client.ts';

describe('gaps', () => {
  it('a gap reaches its handler before any later event', async () => {
    const script = createScript();
    const log: string[] = [];
    script.listen('a', {
      handler: (payload) => log.push(`event ${payload as number}`),
      onGap: ({ reason, topic }) => log.push(`gap ${reason} ${topic}`),
    });
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    await script.cut();
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: 'f.0' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.6', to: 'f.0', reason: 'epoch' });
    script.last().send(FRAME.bookmark, {}, 'f.0');
    script.last().send('a', 1, 'f.1.0');
    await script.settle();
    expect(log).toEqual(['event 6', 'gap epoch a', 'event 1']);
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening).toMatchObject({ cursor: 'f.1', entries: [{ address: 'a' }] });
  });

  it('a gap reaches every subscription whose from cannot be used, wherever the server continues', async () => {
    const script = createScript();
    const gaps: string[] = [];
    for (const from of ['f.9', 'e.3', '?', undefined]) {
      script.listen('a', { ...(from && { from }), onGap: ({ to }) => gaps.push(`${from} to ${to}`) });
    }
    await script.settle();
    script.last().hello();
    script.last().subscribed('a', 0, { key: '1' });
    script.last().subscribed('a', 3, { key: '2' });
    script.last().subscribed('a', 5, { key: '3' });
    script.last().subscribed('a', 5, { key: '4' });
    await script.cut();
    // The connection ended before the gap, so the entries send the same `from` again.
    expect(script.last().opening.entries.map(({ from }) => from)).toEqual(['f.9', 'e.3', '?', 'e.5']);
    script.last().hello();
    for (const key of ['1', '2', '3', '4']) script.last().subscribed('a', 0, { key });
    // One gap for all entries.
    script.last().send(FRAME.gap, { address: 'a', from: 'f.9', to: 'e.0', reason: 'epoch' });
    await script.settle();
    expect(gaps).toEqual(['f.9 to e.0', '? to e.0']);
  });

  it('only an address whose gap was not announced resumes from the old cursor', async () => {
    const script = createScript();
    const gaps = { a: 0, b: 0 };
    script.listen('a', { onGap: () => (gaps.a += 1) });
    script.listen('b', { onGap: () => (gaps.b += 1) });
    await script.accept();
    await script.cut();
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: 'f.0' });
    script.last().subscribed('b', 0, { cursor: 'f.0' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'f.0', reason: 'epoch' });
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.5',
      entries: [
        { address: 'a', from: 'f.0' },
        { address: 'b', key: '2' },
      ],
    });
    expect(gaps).toEqual({ a: 1, b: 0 });
  });

  it('events wait until the promise of onGap settles, and those up to its cursor are dropped', async () => {
    const script = createScript();
    let fetched = (_cursor: string) => {};
    const { got: log } = script.listen('a', {
      onGap: () => new Promise<string>((resolve) => (fetched = resolve)),
    });
    await script.accept();
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'e.9', reason: 'trimmed' });
    script.last().send('a', 'a', 'e.a.9');
    script.last().send('a', 'b', 'e.b.a');
    script.last().send('a', 'c', 'e.c.b');
    await script.settle();
    expect(log).toEqual([]);
    expect(script.client.cursor).toBe('e.5');
    fetched('e.b');
    await script.settle();
    expect(log).toEqual(['c']);
    expect(script.client.cursor).toBe('e.c');
  });

  it('a gap of a new epoch causes no second connection when two addresses share an event name', async () => {
    const script = createScript();
    const log: unknown[] = [];
    const handler = (payload: unknown) => log.push(payload);
    for (const s of ['A', 'a']) script.listen('p', { params: { s }, handler, onGap: () => log.push('gap') });
    const accept = (cursor: string) => {
      for (const s of ['A', 'a']) script.last().subscribed(`p?s=${s}`, 0, { event: 'p?s=A', cursor });
    };
    await script.settle();
    script.last().hello('e.5');
    accept('e.5');
    await script.cut();
    script.last().hello();
    accept('f.0');
    script.last().send(FRAME.gap, { address: 'p?s=A', from: 'e.5', to: 'f.0', reason: 'epoch' });
    script.last().send('p?s=A', 1, 'f.1.0');
    await script.settle();
    expect(log).toEqual(['gap', 'gap', 1, 1]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().closed).toBe(false);
  });

  it.each([
    ['of another epoch', 'old.9', 'e.0', 'epoch'],
    ['from the future', 'e.zz', 'e.5', 'future'],
    ['that cannot be read', 'step 1', 'e.5', 'unknown'],
  ])('a gap reaches a new subscription from a cursor %s', async (_, from, to, reason) => {
    const script = createScript();
    const { got: log } = await script.request('a', { from, onGap: (gap) => log.push(gap.reason) });
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: to, tail: 'e.5' });
    // The connection ends before the gap, so the gap is still pending.
    await script.cut();
    expect(script.last().opening.entries).toMatchObject([{ address: 'a', from }]);
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: to, tail: 'e.5' });
    script.last().send(FRAME.gap, { address: 'a', from, to, reason });
    script.last().send('a', 6, 'e.6.0');
    await script.settle();
    expect(log).toEqual([reason, 6]);
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening).toMatchObject({ cursor: 'e.6', entries: [{ address: 'a' }] });
  });

  it('a pending gap is not skipped by an event of its name before the address is accepted again', async () => {
    const script = createScript();
    const { got: first } = script.listen('a', { from: 'e.2' });
    const { got: log } = await script.request('a', {
      from: 'old.9',
      onGap: ({ reason }) => log.push(reason),
    });
    script.last().hello();
    script.last().subscribed('a', 2, { key: '1' });
    script.last().subscribed('a', 0, { key: '2' });
    await script.cut();
    script.last().hello();
    script.last().subscribed('a', 2, { key: '1' });
    script.last().deliver('a', 3);
    script.last().subscribed('a', 0, { key: '2', rewind: true });
    script.last().send(FRAME.gap, { address: 'a', from: 'old.9', to: 'e.0', reason: 'epoch' });
    script.last().send('a', 2, 'e.2.0');
    script.last().deliver('a', 3);
    await script.settle();
    expect(log).toEqual(['epoch', 2, 3]);
    expect(first).toEqual([3]);
  });

  it('a gap in a rewind does not reach a subscription that is past it', async () => {
    const script = createScript();
    const gaps: string[] = [];
    script.listen('a', { onGap: () => gaps.push('live') });
    await script.accept();
    script.last().send('a', 9, 'e.9.5');
    await script.cut();
    script.listen('a', { from: 'e.1', onGap: () => gaps.push('past') });
    script.last().hello('e.9');
    script.last().subscribed('a', 9, { key: '1' });
    await script.settle();
    script.last().subscribed('a', 1, { key: '2', n: 1, rewind: true });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.1', to: 'e.3', reason: 'trimmed' });
    await script.settle();
    expect(gaps).toEqual(['past']);
  });

  it('a gap reaches the onGap of the client when the subscription has none, and is in the snapshot', async () => {
    const gaps: unknown[] = [];
    const script = createScript({ onGap: (gap) => gaps.push(gap) });
    const subscription = script.listen('a');
    await script.accept();
    const gap = { address: 'a', from: 'e.5', to: 'e.9', reason: 'trimmed' };
    script.last().send(FRAME.gap, gap);
    await script.settle();
    expect(gaps).toMatchObject([gap]);
    expect(subscription.getSnapshot().gap).toMatchObject(gap);
  });

  it('positions may start again after a gap with reason rollback', async () => {
    const script = createScript();
    const { got } = script.listen('a', { onGap: () => {} });
    await script.accept();
    script.last().send('a', 'old 9', 'e.9.0');
    script.last().send(FRAME.gap, { address: 'a', from: 'e.9', to: 'e.6', reason: 'rollback' });
    script.last().send(FRAME.bookmark, {}, 'e.6');
    script.last().send('a', 'new 7', 'e.7.6');
    await script.settle();
    expect(got).toEqual(['old 9', 'new 7']);
    await script.clock.advance(10_000);
    await script.cut();
    expect(script.last().opening.cursor).toBe('e.7');
  });

  it('gaps without a handler cause one console warning', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { script } = await handle();
    for (const to of ['e.7', 'e.8']) {
      script.last().send(FRAME.gap, { address: 'a', from: 'e.0', to, reason: 'trimmed' });
      await script.settle();
    }
    expect(warn.mock.calls).toEqual([
      ['Events of a may be missing (trimmed): give onGap to fetch what they changed.'],
    ]);
    warn.mockRestore();
  });
});

describe('the return value of onGap', () => {
  const lose = (script: Script) =>
    script.last().send(FRAME.gap, { address: 'a', from: 'e.0', to: 'e.5', reason: 'trimmed' });

  it('an onGap result that is a string but not a cursor is reported, and drops no event', async () => {
    const { script, got } = await handle({ onGap: async () => 'yesterday' });
    lose(script);
    script.last().deliver('a', 6);
    await script.settle();
    expect(script.errors).toMatchObject([
      { code: 'invalid_option', message: 'onGap of a gave "yesterday", which is not a cursor.' },
    ]);
    expect(got).toEqual([6]);
  });

  it('an onGap result that is not a string is accepted', async () => {
    const { script, got } = await handle({ onGap: () => ({ rows: 7 }) });
    lose(script);
    script.last().deliver('a', 6);
    await script.settle();
    expect(script.errors).toEqual([]);
    expect(got).toEqual([6]);
  });
});

it('a from that is not a cursor is reported with a suggestion', async () => {
  const errors: LinefeedError[] = [];
  const script = createScript({ onError: (error: LinefeedError) => errors.push(error), onGap: () => {} });
  await script.request('a', { from: 'latest' });
  script.last().hello();
  script.last().subscribed('a', 5);
  script.last().send(FRAME.gap, { address: 'a', from: '', to: 'e.5', reason: 'unknown' });
  await script.settle();
  expect(errors).toMatchObject([
    {
      code: 'invalid_option',
      message: expect.stringContaining('"latest" of a is not a cursor; did you mean "now"'),
    },
  ]);
});

it('a gap with reason unknown after a valid cursor does not report that cursor as invalid', async () => {
  const errors: LinefeedError[] = [];
  const script = createScript({ onError: (error: LinefeedError) => errors.push(error), onGap: () => {} });
  script.listen('a', { from: 'e.2' });
  await script.accept(2);
  script.last().send(FRAME.gap, { address: 'a', from: 'e.2', to: 'e.5', reason: 'unknown' });
  await script.settle();
  expect(errors).toEqual([]);
});
