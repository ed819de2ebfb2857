import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createScript, type ScriptOptions } from '../../../test/scripted-client.ts';

const BROKEN = {
  address: 'report~1',
  key: '1',
  code: 'source_failed',
  message: 'boom',
  detail: { why: 'so' },
  retryable: true,
};

/**
 * Runs a stream that is accepted each time and fails after `livesMs`. Returns the waits before it is requested again.
 */
async function breakOften(livesMs: number, times: number, options?: ScriptOptions) {
  const script = createScript(options);
  const errors: unknown[] = [];
  const subscription = await script.runStream('report', {
    restart: true,
    onError: (error) => errors.push(error),
  });
  const waitsMs: number[] = [];
  for (let count = 0; count < times; count += 1) {
    await script.clock.advance(livesMs);
    script.last().send(FRAME.error, BROKEN, '');
    const { length } = script.controls;
    waitsMs.push(await script.until(() => script.controls.length > length, 200_000));
    if (script.controls.length > length) script.last().acceptStream('report', '1', script.controls.at(-1)!.n);
  }
  return { script, subscription, errors, waitsMs };
}

describe('a stream that fails with a retryable error', () => {
  it('a failed stream is requested again over the open connection, and shows its error until it is accepted', async () => {
    const script = createScript();
    const seen: unknown[] = [];
    const subscription = script.listen('report', { restart: true });
    subscription.subscribe(() => {
      const { status, error } = subscription.getSnapshot();
      seen.push([status, error?.message, error?.detail]);
    });
    await script.settle();
    script.last().hello();
    script.last().acceptStream('report', '1');
    script.last().send(FRAME.error, BROKEN);
    await script.clock.advance(2_000);
    expect(script.controls).toHaveLength(1);
    expect(script.controls[0]!.add).toMatchObject([{ address: 'report', key: '1' }]);
    script.last().acceptStream('report', '1', 1);
    expect(seen).toEqual([
      ['subscribed', undefined, undefined],
      ['subscribing', 'boom', { why: 'so' }],
      ['subscribed', undefined, undefined],
    ]);
    expect(script.attempts).toHaveLength(1);
    subscription();
  });

  it('a stream that fails right after each acceptance is requested at growing intervals', async () => {
    const { waitsMs, subscription } = await breakOften(10, 8);
    expect(Math.max(...waitsMs.slice(4))).toBeGreaterThan(5_000);
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(30_100);
    subscription();
  });

  it('a stream that fails after a run of 20 s is requested again within 1 s each time', async () => {
    const { waitsMs, subscription } = await breakOften(20_000, 8);
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(1_000);
    subscription();
  });

  it('a stream that fails maxAttempts times ends with the error of its source', async () => {
    const { errors, subscription, script } = await breakOften(10, 3, { retry: { maxAttempts: 3 } });
    await script.settle();
    expect(errors).toMatchObject([{ code: 'source_failed', message: 'boom', detail: { why: 'so' } }]);
    expect(subscription.getSnapshot().status).toBe('failed');
  });
});
