import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript, type Script } from '../../../test/scripted-client.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';

/** A subscription whose state has everything up to e.7. It joins an entry at e.5, and the connection is at e.9. */
async function joinedAtCursor(): Promise<{ script: Script; got: readonly unknown[] }> {
  const script = await connected(['a', 'b'], { onGap: () => {} });
  script.last().send('b', 'newest', 'e.9.5');
  const { got } = script.listen('a', { from: 'e.7' });
  await script.settle();
  expect(script.controls).toEqual([]);
  return { script, got };
}

describe('a subscription that joins a subscribed address', () => {
  /** The server accepts the address in the epoch `f`, whose tail is at 2, and sends the gap. */
  const acceptInNewEpoch = (script: Script, address: string, from: string) => {
    script.last().hello();
    script.last().subscribed(address, 0, { cursor: 'f.0', tail: 'f.2' });
    script.last().send(FRAME.gap, { address, from, to: 'f.0', reason: 'epoch' });
  };

  it('a subscription that joins while the connection is lost starts at the newest position on acceptance', async () => {
    const script = createScript();
    const { got } = script.listen('a');
    await script.accept();
    script.last().send('a', 6, 'e.6.0');
    script.last().lose();
    let ready = false;
    const late = script.listen('a');
    void late.ready.then(() => (ready = true));
    await script.clock.advance(500);
    script.last().hello('e.6');
    await script.settle();
    expect(ready).toBe(false);
    script.last().subscribed('a', 6, { tail: 'e.8' });
    await script.settle();
    expect(ready).toBe(true);
    script.last().deliver('a', 7, 8);
    // The connection ends before a newer event. The events replayed later belong to this subscription.
    script.last().lose();
    await script.clock.advance(5_000);
    script.last().accept(8, { tail: 'e.9' });
    script.last().deliver('a', 9, 10);
    expect(late.got).toEqual([9, 10]);
    expect(got).toEqual([6, 7, 8, 9, 10]);
  });

  it('a subscription that joins an unanswered or temporarily refused entry is accepted with it', async () => {
    const script = await connected();
    await script.cut();
    script.last().hello('e.5');
    const early = script.listen('a');
    expect(early.getSnapshot().status).toBe('subscribing');
    script.last().subscribed('a', 5);
    expect(early.getSnapshot().status).toBe('subscribed');
    script.last().refuse('a', RETRYABLE);
    const late = script.listen('a');
    expect(late.getSnapshot().status).toBe('subscribing');
    await script.clock.advance(1_000);
    script.last().subscribed('a', 5, { n: 1 });
    expect(late.getSnapshot().status).toBe('subscribed');
  });

  it('a subscription that joins has an entry of its own when the other one started at a cursor', async () => {
    const script = await connected('z');
    await script.request('a', { from: 'e.2' });
    script.last().subscribed('a', 2, { n: 1, rewind: true });
    await script.request('a');
    expect(script.controls[1]).toMatchObject({ add: [{ address: 'a', key: '3', from: 'now' }] });
  });

  it('a subscription that joins during a replay gets no replayed event', async () => {
    const script = createScript();
    const { got } = script.listen('a');
    await script.accept();
    await script.reconnect(5, { tail: 'e.7' });
    script.last().send('a', 6, 'e.6.0');
    const late = script.listen('a');
    await late.ready;
    script.last().deliver('a', 7, 8);
    expect(late.got).toEqual([8]);
    expect(got).toEqual([6, 7, 8]);
  });

  it('a subscription that joins during a reconnection gets only gaps after its acceptance', async () => {
    const script = await connected('a', { onGap: () => {} });
    script.last().lose();
    const gaps: string[] = [];
    const { got: late } = script.listen('a', { onGap: ({ to }) => gaps.push(to) });
    await script.clock.advance(500);
    acceptInNewEpoch(script, 'a', 'e.5');
    script.last().send(FRAME.bookmark, {}, 'f.0');
    for (const position of [1, 2, 3]) script.last().send('a', position, `f.${position}.${position - 1}`);
    script.last().send(FRAME.gap, { address: 'a', from: 'f.3', to: 'f.9', reason: 'trimmed' });
    await script.settle();
    expect(gaps).toEqual(['f.9']);
    expect(late).toEqual([3]);
  });

  it('a subscription that joined before the log lost its newest events gets the new ones', async () => {
    const script = await connected();
    await script.reconnect(5, { tail: 'e.9' });
    // It starts at e.9. The connection ends before the replay, and the log loses all after e.6.
    const { got: late } = script.listen('a');
    script.last().lose();
    await script.clock.advance(5_000);
    await script.accept(5, { tail: 'e.6' });
    script.last().deliver('a', 6, 7);
    expect(late).toEqual([7]);
  });

  it('a subscription that joined gets the gap of a rollback within the epoch, and all later events', async () => {
    const script = await connected('a', { onGap: () => {} });
    const log: unknown[] = [];
    const { got: late } = script.listen('a', { onGap: ({ reason, to }) => log.push(`${reason} ${to}`) });
    await script.reconnect(2, { tail: 'e.6' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'e.2', reason: 'rollback' });
    script.last().deliver('a', 3, 4);
    await script.settle();
    expect(log).toEqual(['rollback e.2']);
    expect(late).toEqual([3, 4]);
  });

  it('a subscription that joined at a cursor gets the new events up to that cursor after a rollback', async () => {
    const { script, got } = await joinedAtCursor();
    script.last().send(FRAME.gap, { address: 'a', from: 'e.9', to: 'e.6', reason: 'rollback' });
    script.last().deliver('a', 6, 7, 8);
    await script.settle();
    expect(got).toEqual([7, 8]);
  });

  it('a subscription that joined at a cursor gets the new events up to it when its epoch is restored', async () => {
    const { script, got } = await joinedAtCursor();
    script.last().send(FRAME.gap, { address: 'a', from: 'e.9', to: 'f.2', reason: 'epoch' });
    script.last().send('a', 'of f', 'f.3.2');
    // An old backup is restored.
    script.last().send(FRAME.gap, { address: 'a', from: 'f.3', to: 'e.6', reason: 'epoch' });
    script.last().deliver('a', 6, 7, 8);
    await script.settle();
    expect(got).toEqual(['of f', 7, 8]);
  });

  it('a gap without a loss keeps the cursor at which a subscription joined', async () => {
    const { script, got } = await joinedAtCursor();
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'e.6', reason: 'trimmed' });
    script.last().deliver('a', 6, 7, 8);
    await script.settle();
    expect(got).toEqual([8]);
  });

  it('a subscription that joined with a keep: latest value gets a gap after that value', async () => {
    const script = await connected('price');
    script.last().send('price', 41, 'e.6');
    script.last().lose();
    const { got: log } = script.listen('price', { onGap: () => log.push('gap') });
    await script.clock.advance(500);
    acceptInNewEpoch(script, 'price', 'e.6');
    script.last().send('price', 42, 'f.2');
    await script.settle();
    expect(log).toEqual([41, 'gap', 42]);
  });

  it('a subscription that joins during a reconnection gets the newest value of keep: latest', async () => {
    const script = await connected('price');
    script.last().lose();
    const { got: late } = script.listen('price');
    await script.clock.advance(500);
    script.last().accept(5, { tail: 'e.8' });
    script.last().send('price', 42, 'e.8');
    expect(late).toEqual([42]);
  });
});

describe('keep: latest', () => {
  it('a subscription that joins a keep: latest address gets the newest value at once', async () => {
    const script = createScript();
    const { got: first } = script.listen('price');
    await script.accept(0, { tail: 'e.5' });
    script.last().send('price', 41, 'e.4');
    const { got: second } = script.listen('price');
    script.last().send('price', 42, 'e.6');
    await script.settle();
    expect(first).toEqual([41, 42]);
    expect(second).toEqual([41, 42]);
  });

  it('a subscription that joins after an event with a previous position gets no older event', async () => {
    const script = await connected();
    // The log had evicted the address, so the first event has no previous position.
    script.last().send('a', 'old', 'e.6');
    script.last().send('a', 'new', 'e.7.6');
    const { got: second } = script.listen('a');
    script.last().send('a', 'next', 'e.8.7');
    await script.settle();
    expect(second).toEqual(['next']);
  });

  it('a subscription that joins after a gap gets no older value', async () => {
    const script = createScript();
    script.listen('price', { onGap: () => {} });
    await script.accept();
    script.last().send('price', 'old', 'e.6');
    script.last().send(FRAME.gap, { address: 'price', from: 'e.6', to: 'e.9', reason: 'trimmed' });
    const { got: second } = script.listen('price');
    script.last().send('price', 'next', 'e.a');
    await script.settle();
    expect(second).toEqual(['next']);
  });
});
