import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';
import { createRunScript } from '../../../test/scripted-runs.ts';
import { iterate } from './iterate.ts';

describe('iterate', () => {
  it('iterate yields at the pace of its consumer, and settles an event when the next one is requested', async () => {
    const script = createScript();
    const iterator = iterate(script.client, 'a');
    expect(script.attempts).toHaveLength(0);
    const first = iterator.next();
    await script.accept(0);
    script.last().deliver('a', 1, 2);
    expect(await first).toEqual({ done: false, value: 1 });
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    expect(await iterator.next()).toEqual({ done: false, value: 2 });
    await script.settle();
    expect(script.client.cursor).toBe('e.1');
    await iterator.return();
  });

  it('iterate unsubscribes when its loop is left', async () => {
    const script = createScript();
    const reading = (async () => {
      for await (const payload of iterate(script.client, 'a')) return payload as unknown;
      return undefined;
    })();
    await script.accept(0);
    script.last().deliver('a', 1);
    expect(await reading).toBe(1);
    await script.clock.advance(1_000);
    expect(script.state().state).toBe('idle');
  });

  it('iterate can be ended by return() while it waits', async () => {
    const script = createScript();
    const iterator = iterate(script.client, 'a');
    const waiting = iterator.next();
    await script.settle();
    expect(await iterator.return()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('iterate ends when its signal is aborted', async () => {
    const script = createScript();
    const controller = new AbortController();
    const iterator = iterate(script.client, 'a', { signal: controller.signal });
    const waiting = iterator.next();
    controller.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('iterate ends with its stream, after the last event', async () => {
    const script = createScript();
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const payload of iterate(script.client, 'report', { params: { year: 2026 } }))
        got.push(payload);
    })();
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'report?year=2026', key: '1', from: 'now' }]);
    script.last().hello();
    script.last().acceptStream('report', '1');
    script.last().send('report~1', 1, '~1');
    script.last().send('report~1', 2, '~2');
    script.last().send(FRAME.end, { address: 'report~1', key: '1' }, '~!');
    await reading;
    expect(got).toEqual([1, 2]);
  });

  it('iterate can be ended by throw() while it waits', async () => {
    const script = createScript();
    const iterator = iterate(script.client, 'a');
    const waiting = iterator.next();
    await script.settle();
    await expect(iterator.throw(new Error('mine'))).rejects.toThrow('mine');
    expect(await waiting).toEqual({ done: true, value: undefined });
    await script.clock.advance(1_000);
    expect(script.state().state).toBe('idle');
  });

  it('iterate yields earlier events before it throws, and does not report the error to the client', async () => {
    for (const given of [undefined, [] as unknown[]]) {
      const script = createScript();
      const iterator = iterate(script.client, 'a', given ? { onError: (error) => given.push(error) } : {});
      const waiting = iterator.next();
      await script.accept(0);
      script.last().deliver('a', 1, 2);
      script.last().refuse('a');
      expect(await waiting).toEqual({ done: false, value: 1 });
      expect(await iterator.next()).toEqual({ done: false, value: 2 });
      await expect(iterator.next()).rejects.toMatchObject({ code: 'forbidden' });
      await script.settle();
      expect(script.errors).toEqual([]);
      if (given) expect(given).toMatchObject([{ code: 'forbidden' }]);
    }
  });

  it('iterate throws the error that ends its subscription', async () => {
    const script = createScript();
    const iterator = iterate(script.client, 'a');
    const waiting = iterator.next();
    await script.settle();
    script.last().hello('e.0');
    script.last().refuse('a');
    await expect(waiting).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('iterate over a run topic', () => {
  /** Collects the payloads of a loop, and what its generator returns. */
  async function collect(iterator: AsyncGenerator<unknown, unknown, void>): Promise<readonly unknown[]> {
    const got: unknown[] = [];
    for (;;) {
      const { done, value } = await iterator.next();
      got.push(value);
      if (done) return got;
    }
  }

  const end = { result: undefined, error: undefined, reason: undefined };

  it('iterate ends with the current run, returns how it ended, and yields nothing of the next run', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    script.runs.emit('r', '1');
    const ends: unknown[] = [];
    const reading = collect(
      iterate(script.client, 'r', { from: 'start', onEnd: (runEnd: unknown) => ends.push(runEnd) }),
    );
    await script.open();
    script.runs.emit('r', '2');
    script.runs.end('r', { outcome: 'done', result: 7 });
    script.runs.start('r');
    script.runs.emit('r', '3');
    const done = { ...end, run, outcome: 'done', result: 7 };
    expect(await reading).toEqual([1, 2, done]);
    expect(ends).toEqual([done]);
    await script.clock.advance(1_000);
    expect(script.state().state).toBe('idle');
  });

  it('iterate waits for the next run when no run is running, and ends when it is stopped', async () => {
    const script = createRunScript();
    script.runs.start('r');
    script.runs.end('r', { outcome: 'done' });
    const reading = collect(iterate(script.client, 'r'));
    await script.open();
    const run = script.runs.start('r');
    script.runs.emit('r', '1');
    script.runs.end('r', { outcome: 'stopped', reason: 'user' });
    expect(await reading).toEqual([1, { ...end, run, outcome: 'stopped', reason: 'user' }]);
  });

  it.each([
    ['failed', 'run_limit', { error: { code: 'run_limit', message: 'Too long.' } }],
    ['lost', 'run_lost', {}],
    ['gone', 'run_lost', {}],
  ] as const)('iterate throws after the last event of a run that is %s: %s', async (outcome, code, more) => {
    const script = createRunScript();
    script.runs.start('r');
    const iterator = iterate(script.client, 'r');
    const first = iterator.next();
    await script.open();
    script.runs.emit('r', '1');
    script.runs.end('r', { outcome, ...more });
    expect(await first).toEqual({ done: false, value: 1 });
    await expect(iterator.next()).rejects.toMatchObject({ code });
    expect(script.errors).toEqual([]);
  });
});
