import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, createScript } from '../../../test/scripted-client.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';

describe('the outcome of a subscription', () => {
  it('a refusal fails only its own subscription', async () => {
    const script = createScript();
    const { got } = script.listen('a');
    await script.accept();
    const refused = await script.request('b');
    script.last().refuse('b', { n: 1 });
    await expect(refused.ready).rejects.toMatchObject({ code: 'forbidden', message: 'No.' });
    expect(refused.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'forbidden' } });
    expect(script.errors).toMatchObject([{ code: 'forbidden' }]);
    script.last().send('a', 1, 'e.6.0');
    expect(got).toEqual([1]);
  });

  it('a refusal is shown at once, even when a handler never settles', async () => {
    const script = createScript();
    const stuck = script.listen('a', { handler: () => new Promise(() => {}) });
    await script.accept();
    script.last().deliver('a', 6);
    script.last().refuse('a');
    expect(stuck.getSnapshot()).toMatchObject({ status: 'failed', error: { code: 'forbidden' } });
  });

  it('an onEnd that rejects is reported', async () => {
    const script = createScript();
    await script.runStream('report', { onEnd: () => Promise.reject(new Error('mine')) });
    script.last().send(FRAME.end, { address: 'report~1', key: '1' }, '~!');
    await script.settle();
    expect(script.errors).toMatchObject([{ code: 'handler_failed', cause: { message: 'mine' } }]);
  });

  it('new subscriptions after a refusal open at most one connection per second', async () => {
    const script = createScript();
    const error = new LinefeedError('http_status', 'No.', { status: 403 });
    for (let tick = 0; tick < 40; tick += 1) {
      const stop = script.listen('a');
      await script.clock.advance(100);
      if (script.state().state === 'connecting') script.last().lose({ error });
      stop();
    }
    // In 4 s: the first attempt, one at once, and then one per second.
    expect(script.attempts).toHaveLength(5);
    const kept = script.listen('a');
    await script.clock.advance(1_000);
    script.last().accept();
    await kept.ready;
    script.client.close();
    expect(script.clock.pending).toBe(0);
  });

  it('the client leaves no timer when it is closed before a delayed attempt', async () => {
    const script = createScript();
    await script.request('a');
    for (const topic of ['b', 'c']) {
      script.last().lose({ error: new LinefeedError('http_status', 'No.', { status: 403 }) });
      await script.request(topic);
    }
    expect(script.attempts).toHaveLength(2);
    expect(script.clock.pending).toBe(1);
    script.client.close();
    expect(script.clock.pending).toBe(0);
  });

  it('a 204 ends logged addresses without onEnd, and rejects a subscription that is not accepted yet', async () => {
    const script = createScript();
    const log: string[] = [];
    const onEnd = () => log.push('end');
    const accepted = script.listen('a', { onEnd });
    await script.accept();
    script.last().lose();
    const waiting = script.listen('b', { onEnd });
    await script.clock.advance(500);
    script.last().lose({ over: true });
    await expect(waiting.ready).rejects.toMatchObject({
      code: 'closed',
      message: 'b ended before it was accepted.',
    });
    await script.settle();
    expect(accepted.getSnapshot().status).toBe('ended');
    expect(log).toEqual([]);
  });

  it('a 204 calls onEnd of a stream that was accepted before', async () => {
    const script = createScript();
    const log: string[] = [];
    await script.runStream('report', { onEnd: () => log.push('end') });
    await script.cut();
    script.last().lose({ over: true });
    await script.settle();
    expect(log).toEqual(['end']);
  });

  it('a retryable refusal is requested again at growing intervals', async () => {
    const script = await connected();
    await script.request('b');
    const refuse = (n: number) => script.last().refuse('b', { ...RETRYABLE, n });
    refuse(1);
    await script.clock.advance(499);
    expect(script.controls).toHaveLength(1);
    await script.clock.advance(1);
    expect(script.controls).toHaveLength(2);
    refuse(2);
    await script.clock.advance(999);
    expect(script.controls).toHaveLength(2);
    await script.clock.advance(1);
    expect(script.controls[2]).toMatchObject({ n: 3, add: [{ address: 'b' }] });
    expect(script.errors).toEqual([]);
  });

  it('a stream ends after its last event is handled', async () => {
    const script = createScript();
    const log: string[] = [];
    let finish = () => {};
    const handler = (payload: unknown) => {
      log.push(`event ${payload as number}`);
      return new Promise<void>((resolve) => (finish = resolve));
    };
    const stream = await script.runStream('report', { handler, onEnd: () => log.push('end') });
    script.last().send('report~1', 1, '~1');
    script.last().send(FRAME.end, { address: 'report~1', key: '1' }, '~!');
    await script.settle();
    expect(log).toEqual(['event 1']);
    finish();
    await script.settle();
    expect(log).toEqual(['event 1', 'end']);
    expect(stream.getSnapshot().status).toBe('ended');
    expect(script.state().state).toBe('idle');
  });

  it('a 204 closes the connection, and fails an interrupted stream without ids', async () => {
    const script = createScript();
    const errors: unknown[] = [];
    const stream = await script.runStream('report', { onError: (error) => errors.push(error) });
    script.last().send('report~1', 1, '~');
    await script.cut();
    expect(script.last().opening.entries).toEqual([{ address: 'report', from: '~', key: '1' }]);
    script.last().lose({ over: true });
    await script.settle();
    expect(script.state().state).toBe('closed');
    expect(stream.getSnapshot().status).toBe('failed');
    expect(errors).toMatchObject([{ code: 'not_resumable' }]);
  });

  it('a stream without ids runs again after a lost connection when restart is set', async () => {
    const script = createScript();
    await script.runStream('report', { restart: true });
    script.last().send('report~1', 1, '~');
    await script.cut();
    expect(script.last().opening.entries).toEqual([{ address: 'report', key: '1' }]);
  });

  it('a failed connection is reported to every subscription, and once to the client', async () => {
    const script = createScript();
    const own: unknown[] = [];
    const first = script.listen('a', { onError: (error) => own.push(error) });
    const second = await script.request('b');
    script.last().lose({ error: new LinefeedError('http_status', 'Gone.', { status: 410 }) });
    await expect(first.ready).rejects.toMatchObject({ status: 410 });
    expect(own).toHaveLength(1);
    expect(script.errors).toMatchObject([{ status: 410, attempt: 1 }]);
    script.client.reconnect();
    script.last().accept();
    expect(second.getSnapshot()).toMatchObject({ status: 'subscribed', error: undefined });
  });

  it('an aborted signal ends its subscription, and prevents a later one', async () => {
    const script = createScript();
    const controller = new AbortController();
    const { got } = script.listen('a', { signal: controller.signal });
    await script.accept();
    controller.abort();
    script.last().send('a', 1, 'e.6.0');
    const late = script.listen('b', { signal: controller.signal });
    expect(late.getSnapshot().status).toBe('ended');
    await script.clock.advance(1_000);
    expect(got).toEqual([]);
    expect(script.state().state).toBe('idle');
  });

  it('a closed client ends its subscriptions and refuses new ones', async () => {
    const script = createScript();
    const stop = await script.request('a');
    script.client.close();
    expect(stop.getSnapshot().status).toBe('ended');
    expect(script.last().closed).toBe(true);
    expect(() => script.listen('b')).toThrow('closed');
    script.client.reconnect();
    await script.settle();
    expect(script.attempts).toHaveLength(1);
    expect(script.clock.pending).toBe(0);
    expect(script.state()).toMatchObject({ state: 'closed', reason: 'asked' });
  });
});
