import { LinefeedError } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { createScript, type Script, type ScriptOptions } from '../../../test/scripted-client.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';

/** Connects at position 5. The newest value of `price` is 5; its history is unknown. */
async function connectedToPrice(options?: ScriptOptions): Promise<Script> {
  const script = createScript(options);
  script.listen('price');
  await script.accept(4);
  script.last().send('price', 5, 'e.5');
  return script;
}

describe('a handler that calls the client', () => {
  it('a handler gets the kept latest value of an address after subscribe() has returned', async () => {
    const script = await connectedToPrice();
    const stop = script.listen('price', { handler: () => stop() });
    expect(stop.got).toEqual([]);
    await script.settle();
    expect(stop.got).toEqual([5]);
    expect(script.errors).toEqual([]);
  });

  it('a handler gets the events kept during a linger after subscribe() has returned, before newer ones', async () => {
    const script = createScript();
    script.listen('z');
    const leave = script.listen('a');
    await script.accept();
    leave();
    script.last().deliver('a', 6);
    const { got } = script.listen('a', { from: 'e.5' });
    script.last().deliver('a', 7);
    expect(got).toEqual([]);
    await script.settle();
    expect(got).toEqual([6, 7]);
  });

  it('a handler is not called when it is unsubscribed in the tick of its subscription', async () => {
    const script = await connectedToPrice();
    const stop = script.listen('price');
    stop();
    await script.settle();
    expect(stop.got).toEqual([]);
  });

  it('a handler that subscribes to its own address gives the new subscription each event once', async () => {
    const script = await connectedToPrice();
    const late: unknown[] = [];
    script.client.subscribe('price', (price) => {
      if (price === 6) script.client.subscribe('price', (payload: unknown) => late.push(payload));
    });
    script.last().send('price', 6, 'e.6');
    await script.settle();
    script.last().send('price', 7, 'e.7');
    expect(late).toEqual([6, 7]);
  });

  it('a handler that subscribes to its own address in a delivery gives the new subscription no earlier event', async () => {
    const script = createScript();
    const late: unknown[] = [];
    let joined = false;
    script.client.subscribe('a', () => {
      if (!joined) script.client.subscribe('a', (payload: unknown) => late.push(payload));
      joined = true;
    });
    await script.accept();
    script.last().deliver('a', 6, 7);
    await script.settle();
    expect(late).toEqual([7]);
  });
});

describe('a connection listener that calls the client', () => {
  /** Calls `act` once, at the change to `state`. */
  const on = (script: Script, state: string, act: () => void) => {
    const stop = script.client.connection.subscribe(() => {
      if (script.state().state !== state) return;
      stop();
      act();
    });
  };

  it('a connection listener that closes the client when an attempt starts leaves no response and no timer', async () => {
    const script = createScript();
    on(script, 'connecting', () => script.client.close());
    await script.request('a');
    expect(script.attempts.filter(({ closed }) => !closed)).toEqual([]);
    expect(script.clock.pending).toBe(0);
    expect(script.state().state).toBe('closed');
  });

  it('a connection listener that closes the client when the connection is lost leaves no timer', async () => {
    const script = await connectedToPrice();
    on(script, 'reconnecting', () => script.client.close());
    script.last().lose();
    await script.clock.advance(60_000);
    expect(script.attempts).toHaveLength(1);
    expect(script.clock.pending).toBe(0);
  });

  it('a connection listener that reconnects when the connection is lost causes one attempt', async () => {
    const script = await connectedToPrice();
    on(script, 'reconnecting', () => script.client.reconnect());
    script.last().lose();
    script.last().hello('e.5', { timeoutMs: 0 });
    await script.clock.advance(60_000);
    expect(script.attempts).toHaveLength(2);
    expect(script.state().state).toBe('connected');
  });

  it('a connection listener that reconnects when the connection has failed keeps the subscriptions from failing', async () => {
    const script = await connectedToPrice({ retry: { maxAttempts: 1 } });
    on(script, 'failed', () => script.client.reconnect());
    script.last().lose();
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('price', 5);
    expect(script.attempts).toHaveLength(2);
    expect(script.state().state).toBe('connected');
  });

  it('a connection listener that reconnects at hello sends no control request for the old connection', async () => {
    const script = await connectedToPrice();
    await script.cut();
    on(script, 'connected', () => script.client.reconnect());
    script.last().hello('e.5', { connection: 'left' });
    await script.request('b');
    expect(script.controls).toEqual([]);
  });
});

describe('a subscription listener that calls the client', () => {
  it('a subscription listener that reconnects on a failure is called once for each failure', async () => {
    const script = createScript();
    let failures = 0;
    for (const topic of ['a', 'b']) {
      const subscription = script.client.subscribe(topic, () => {});
      subscription.subscribe(() => {
        if (subscription.getSnapshot().status !== 'failed') return;
        failures += 1;
        // The bound ends the test even if the client has the fault.
        if (failures < 10) script.client.reconnect();
      });
    }
    await script.settle();
    script.last().lose({ error: new LinefeedError('http_status', 'Gone.', { status: 410 }) });
    expect(failures).toBe(2);
    expect(script.attempts.filter(({ closed }) => !closed)).toHaveLength(1);
  });

  it.each([
    ['the connection', { error: new LinefeedError('http_status', 'Gone.', { status: 410 }) }],
    ['one address', undefined],
  ])('a subscription that a listener ends while %s fails stays ended', async (_, ending) => {
    const script = createScript();
    const first = script.listen('a');
    const second = script.listen(ending ? 'b' : 'a');
    await script.settle();
    first.subscribe(() => first.getSnapshot().error && second());
    if (ending) script.last().lose(ending);
    else {
      script.last().accept();
      script.last().refuse('a', RETRYABLE);
    }
    expect(second.getSnapshot().status).toBe('ended');
  });
});
