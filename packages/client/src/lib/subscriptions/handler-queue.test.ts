import { describe, expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';
import { handle, hold } from '../../../test/held-handler.ts';

describe('a full handler queue', () => {
  it('a full queue stops reading at its limit, and reading resumes at half of it', async () => {
    const { script, deliver, finish } = await handle({}, { maxQueuedEvents: 4 });
    const { sink } = script.last();
    deliver(1, 2, 3, 4);
    expect(sink.full()).toBeUndefined();
    deliver(5);
    const waiting = sink.full();
    expect(waiting).toBeInstanceOf(Promise);
    finish();
    await script.settle();
    expect(sink.full()).toBe(waiting);
    finish();
    await script.settle();
    expect(sink.full()).toBeUndefined();
    await waiting;
  });

  it('a queue has a limit of 1,000 events by default', async () => {
    const { script, deliver } = await handle();
    // The handler has the first event, so 999 are queued.
    for (let position = 1; position <= 1_000; position += 1) deliver(position);
    expect(script.last().sink.full()).toBeUndefined();
    deliver(1_001);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
  });

  it('a full queue stops blocking the connection when its subscription ends', async () => {
    const script = createScript({ maxQueuedEvents: 1 });
    const stop = script.listen('a', { handler: hold().handler });
    await script.accept(0);
    script.last().deliver('a', 1, 2);
    const waiting = script.last().sink.full();
    stop();
    await waiting;
    expect(script.last().sink.full()).toBeUndefined();
  });

  it('reading stays paused while any queue is full, even when another subscription ends', async () => {
    const script = createScript({ maxQueuedEvents: 2 });
    const { handler, finish } = hold();
    const stop = script.listen('a', { handler });
    const stopOther = script.listen('b', { handler: hold().handler });
    await script.accept(0);
    for (const topic of ['a', 'b']) script.last().deliver(topic, 1, 2, 3);
    const waiting = script.last().sink.full();
    stop();
    expect(script.last().sink.full()).toBe(waiting);
    finish();
    await script.settle();
    expect(script.last().sink.full()).toBe(waiting);
    stopOther();
    expect(script.last().sink.full()).toBeUndefined();
  });

  it('a full queue suspends a transport that cannot pause, and resumes it later', async () => {
    const { script, deliver, finish } = await handle({}, { maxQueuedEvents: 1 });
    deliver(1, 2);
    script.last().lose({ full: true });
    expect(script.state()).toMatchObject({ state: 'suspended', reason: 'queue' });
    // Only the timer that checks for a stalled handler.
    expect(script.clock.pending).toBe(1);
    finish();
    await script.settle();
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.cursor).toBe('e.2');
  });
});
