import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { handle, hold } from '../../../test/held-handler.ts';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import { idAt } from '../../../test/scripted-transport.ts';

/** A server that announces no timeout, so that no test notices silence. */
const hello = { timeoutMs: 0 };

/** Sends events of an address whose positions are two apart. */
function send(script: Script, topic: string, ...positions: number[]): void {
  for (const position of positions) script.last().send(topic, position, idAt(position, position - 2));
}

interface Stall {
  readonly script: Script;
  readonly got: { readonly a: unknown[]; readonly b: unknown[] };
  /** Ends the running handler of `a`, and lets later ones end at once. */
  readonly free: () => void;
  readonly snapshot: () => { readonly status: string; readonly stalled: boolean };
}

/**
 * Connects at position 0. The handler of `a` does not settle, its queue of 2 is full, and reading is paused. `b` is
 * another address.
 */
async function stall(): Promise<Stall> {
  const script = createScript({ maxQueuedEvents: 2, hello });
  let free = () => {};
  const freed = new Promise<void>((resolve) => (free = resolve));
  const a = script.listen('a', { handler: () => freed });
  const b = script.listen('b');
  await script.accept(0);
  script.last().deliver('a', 1);
  send(script, 'a', 3, 5);
  expect(script.last().sink.full()).toBeInstanceOf(Promise);
  return { script, got: { a: a.got, b: b.got }, free, snapshot: a.getSnapshot };
}

describe('a handler that does not settle', () => {
  it('a stalled handler is reported once with its address after 5 s, and then delays no other address', async () => {
    const { script, got, snapshot } = await stall();
    await script.clock.advance(4_999);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
    expect([snapshot().stalled, script.errors]).toEqual([false, []]);
    await script.clock.advance(1);
    expect(script.last().sink.full()).toBeUndefined();
    expect(snapshot()).toMatchObject({ status: 'subscribed', stalled: true });
    expect(script.errors).toMatchObject([{ code: 'queue_overflow', address: 'a' }]);
    for (let position = 7; position < 1_000; position += 2) {
      send(script, 'a', position);
      script.last().send('b', position + 1, idAt(position + 1, position === 7 ? 0 : position - 1));
    }
    await script.clock.advance(60_000);
    expect(got.b).toHaveLength(497);
    expect(got.a).toEqual([1]);
    expect(script.errors).toHaveLength(1);
    expect(script.attempts).toHaveLength(1);
    expect(script.controls).toEqual([]);
  });

  it('a stalled subscription is not failed by an opening request without it, and is requested when it continues', async () => {
    const { script, free, snapshot } = await stall();
    await script.clock.advance(5_000);
    send(script, 'a', 7);
    await script.cut();
    expect(script.last().opening.entries).toMatchObject([{ address: 'b' }]);
    script.last().lose({ error: new LinefeedError('forbidden', 'Not allowed.', { status: 403 }) });
    await script.settle();
    expect(snapshot().status).toBe('subscribed');
    free();
    await script.settle();
    expect(script.attempts).toHaveLength(3);
    expect(script.last().opening.entries).toContainEqual({ address: 'a', key: '1', from: 'e.5' });
  });

  it('a stalled subscription gets the dropped events in order and once when its handler continues', async () => {
    const { script, got, free, snapshot } = await stall();
    await script.clock.advance(5_000);
    send(script, 'a', 7, 9);
    free();
    await script.settle();
    expect(got.a).toEqual([1, 3, 5]);
    expect(snapshot().stalled).toBe(false);
    expect(script.controls).toMatchObject([{ n: 1, add: [{ address: 'a', key: '1', from: 'e.5' }] }]);
    // A live event before the answer. It arrives again after the answer.
    send(script, 'a', 11);
    script.last().subscribed('a', 5, { n: 1, rewind: true, tail: 'e.b' });
    send(script, 'a', 7, 9, 11);
    script.last().send(FRAME.caughtup, { address: 'a' });
    send(script, 'a', 13);
    await script.settle();
    expect(got.a).toEqual([1, 3, 5, 7, 9, 11, 13]);
    expect(script.errors).toHaveLength(1);
    expect(script.attempts).toHaveLength(1);
  });

  it('a stalled subscription requests nothing when no event was dropped', async () => {
    const { script, got, free } = await stall();
    await script.clock.advance(5_000);
    free();
    await script.settle();
    send(script, 'a', 7);
    await script.settle();
    expect(got.a).toEqual([1, 3, 5, 7]);
    expect(script.controls).toEqual([]);
  });

  it('a stalled subscription is requested from its own position when it continues after a reconnection', async () => {
    const { script, free } = await stall();
    await script.clock.advance(5_000);
    send(script, 'a', 7);
    script.last().send('b', 8, 'e.8.0');
    await script.cut();
    // The stalled subscription has no room, so its address is not requested.
    expect(script.last().opening).toMatchObject({ cursor: 'e.8', entries: [{ address: 'b' }] });
    script.last().accept(8);
    free();
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [{ address: 'a', from: 'e.5' }] }]);
  });

  it('a slow handler that keeps settling is not reported as stalled', async () => {
    const { script, deliver, finish } = await handle({}, { maxQueuedEvents: 2, hello });
    for (let position = 1; position < 20; position += 1) deliver(position);
    for (let round = 0; round < 16; round += 1) {
      await script.clock.advance(4_900);
      expect(script.last().sink.full()).toBeInstanceOf(Promise);
      finish();
      await script.settle();
    }
    expect(script.errors).toEqual([]);
  });

  it('a stalled stream handler keeps reading paused and is reported, because a stream has no resume position', async () => {
    const script = createScript({ maxQueuedEvents: 1, hello });
    const stream = await script.runStream('report', { handler: hold().handler });
    for (const id of [1, 2]) script.last().send('report~1', id, `~${id}`);
    await script.clock.advance(60_000);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
    expect(stream.getSnapshot().stalled).toBe(true);
    expect(script.errors).toMatchObject([{ code: 'queue_overflow', address: 'report' }]);
    stream();
    expect(script.last().sink.full()).toBeUndefined();
    expect(script.clock.pending).toBe(0);
  });

  it('a stalled subscription leaves no timer when it is unsubscribed, and its event name is removed', async () => {
    const script = createScript({ maxQueuedEvents: 1, hello });
    const stop = script.listen('a', { handler: hold().handler });
    script.listen('b');
    await script.accept(0);
    script.last().deliver('a', 1, 2);
    await script.clock.advance(5_000);
    script.last().deliver('a', 3);
    stop();
    await script.settle();
    expect(script.controls).toMatchObject([{ add: [], remove: ['a'] }]);
  });
});
