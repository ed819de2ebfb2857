import { defineChannel } from '@linefeed/shared';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createScript } from '../../../test/scripted-client.ts';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { handle, hold } from '../../../test/held-handler.ts';
import { createClient } from '../client/client.ts';
import { createManualClock } from '@linefeed/shared/testing';

describe('handlers', () => {
  it('a subscription runs its handler for one event at a time', async () => {
    const { got, deliver, script, finish } = await handle();
    deliver(1, 2);
    await script.settle();
    expect(got).toEqual([1]);
    finish();
    await script.settle();
    expect(got).toEqual([1, 2]);
  });

  it('a slow handler does not delay the handlers of other addresses', async () => {
    const { script, got, deliver } = await handle();
    const { got: other } = await script.request('b');
    script.last().subscribed('b', 0, { n: 1 });
    deliver(1, 2);
    script.last().send('b', 'x', 'e.3.0');
    script.last().send('b', 'y', 'e.4.3');
    expect(got).toEqual([1]);
    expect(other).toEqual(['x', 'y']);
  });

  it('the committed cursor stops before the first event that is not settled', async () => {
    const { script, deliver, finish } = await handle();
    await script.request('b');
    script.last().subscribed('b', 0, { n: 1 });
    expect(script.client.cursor).toBe('e.0');
    deliver(1);
    script.last().send('b', 'x', 'e.2.0');
    script.last().send('a', 3, 'e.3.1');
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.2');
    finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.3');
  });

  it('unsubscribing settles the events that wait for the handler', async () => {
    const { script, deliver, got, finish } = await handle();
    const stop = script.listen('a', { handler: hold().handler });
    deliver(1, 2);
    finish();
    await script.settle();
    finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    stop();
    await script.settle();
    expect(got).toEqual([1, 2]);
    expect(script.client.cursor).toBe('e.2');
  });

  it('a handler that throws or rejects is reported, and the next event is delivered', async () => {
    const { script, deliver, got, finish } = await handle();
    deliver(1, 2);
    finish(new Error('mine'));
    await script.settle();
    expect(got).toEqual([1, 2]);
    expect(script.errors).toMatchObject([{ code: 'handler_failed', cause: { message: 'mine' } }]);
    expect(script.client.cursor).toBe('e.1');
  });

  it('onHandlerError retry calls a failed handler three more times, after 1, 2 and 4 s', async () => {
    const errors: unknown[] = [];
    const { script, deliver, got, finish } = await handle({
      onHandlerError: 'retry',
      onError: (error) => errors.push(error),
    });
    deliver(1, 2);
    for (const waitMs of [1_000, 2_000, 4_000]) {
      finish(new Error('mine'));
      await script.clock.advance(waitMs - 1);
      const tries = got.length;
      await script.clock.advance(1);
      expect(got.length).toBe(tries + 1);
      expect(script.client.cursor).toBe('e.0');
    }
    finish(new Error('mine'));
    await script.settle();
    expect(got).toEqual([1, 1, 1, 1, 2]);
    expect(errors).toHaveLength(4);
    expect(script.errors).toEqual([]);
  });

  it('onHandlerError stop ends the subscription when its handler fails', async () => {
    const { script, deliver, got, finish } = await handle({ onHandlerError: 'stop' });
    deliver(1, 2);
    finish(new Error('mine'));
    await script.clock.advance(1_000);
    expect(got).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
    expect(script.state().state).toBe('idle');
  });

  it('a handler that waits for its retry leaves no timer when the client is closed', async () => {
    const { script, got, finish, deliver } = await handle({ onHandlerError: 'retry' });
    deliver(1);
    finish(new Error('mine'));
    await script.settle();
    script.client.close();
    expect(script.clock.pending).toBe(0);
    expect(got).toEqual([1]);
  });

  it('a handler that fails after its subscription has ended is not retried', async () => {
    const { script, finish, deliver } = await handle({ onHandlerError: 'retry' });
    deliver(1);
    script.client.close();
    finish(new Error('mine'));
    await script.settle();
    expect(script.clock.pending).toBe(0);
    expect(script.errors).toMatchObject([{ code: 'handler_failed' }]);
  });

  it('queued events are settled without a handler call when the client is closed during a retry wait', async () => {
    const { script, deliver, got, finish } = await handle({ onHandlerError: 'retry' });
    deliver(1, 2);
    finish(new Error('mine'));
    await script.settle();
    script.client.close();
    await script.clock.advance(10_000);
    expect(got).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
  });

  it('a handler can unsubscribe its own subscription', async () => {
    const script = createScript();
    const stop = script.listen('a', { handler: () => stop() });
    await script.accept(0);
    script.last().deliver('a', 1, 2);
    expect(stop.got).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
  });
});

describe('payloads', () => {
  it('a payload that is not JSON is reported and counts as settled', async () => {
    const invalid: unknown[] = [];
    const { script, got } = await handle({}, { onInvalid: (error) => invalid.push(error) });
    script.last().sink.onFrame('a', '{"half', 'e.1.0');
    script.last().send('a', 'good', 'e.2.1');
    await script.settle();
    expect(invalid).toMatchObject([{ code: 'invalid_json', address: 'a' }]);
    expect(got).toEqual(['good']);
    expect(script.client.cursor).toBe('e.1');
  });

  it('payloads are validated when the client has the channel as a value', async () => {
    const board = defineChannel({ a: z.object({ text: z.string().trim() }) });
    const invalid: unknown[] = [];
    const got: unknown[] = [];
    const { transport, attempts } = createScriptTransport();
    const clock = createManualClock();
    const onInvalid = (error: unknown) => invalid.push(error);
    const client = createClient(board, { url: '/', clock, transport, onInvalid });
    client.subscribe('a', (payload) => got.push(payload));
    await clock.advance(0);
    const script = attempts[0]!;
    script.hello('e.0');
    script.subscribed('a', 0);
    script.send('a', { text: 7 }, 'e.1.0');
    script.send('a', { text: ' yes ' }, 'e.2.1');
    await clock.advance(0);
    expect(invalid).toMatchObject([{ code: 'invalid_payload', address: 'a', issues: [{ path: ['text'] }] }]);
    expect(got).toEqual([{ text: 'yes' }]);
    expect(client.cursor).toBe('e.2');
    client.close();
  });

  it('a payload is not delivered when its subscription ends during validation', async () => {
    const board = defineChannel({ a: z.object({ text: z.string() }) });
    const got: unknown[] = [];
    const { transport, attempts } = createScriptTransport();
    const clock = createManualClock();
    const client = createClient(board, { url: '/', clock, transport });
    const stop = client.subscribe('a', (payload) => got.push(payload));
    await clock.advance(0);
    attempts[0]!.hello('e.0');
    attempts[0]!.subscribed('a', 0);
    attempts[0]!.send('a', { text: 'late' }, 'e.1.0');
    stop();
    await clock.advance(0);
    expect(got).toEqual([]);
    client.close();
  });
});

it('the console shows a server refusal without a stack, and a handler error with its stack', async () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {});
  const script = createScript({ onError: undefined });
  script.client.subscribe('a', () => {
    throw new Error('boom');
  });
  await script.request('b');
  script.last().hello('e.0');
  script.last().subscribed('a', 0);
  script.last().refuse('b');
  script.last().deliver('a', 1);
  await script.settle();
  expect(print.mock.calls).toEqual([
    ['LinefeedError: No.'],
    [expect.objectContaining({ code: 'handler_failed' })],
  ]);
  print.mockRestore();
});
