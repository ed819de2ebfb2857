import { describe, expect, it } from 'vitest';
import { NO_FAILURES, planRetry, type Loss, type RetryHistory } from './retry-policy.ts';

const neverConnected: Loss = { connectedMs: undefined };

function failures(count: number, quickAt = -Infinity): RetryHistory {
  return { failures: count, quickAt };
}

describe('planRetry', () => {
  it('planRetry draws the wait from 0 up to a bound that doubles with each failure', () => {
    const bounds = [0, 1, 2, 3, 4].map(
      (count) => planRetry(failures(count), neverConnected, {}, 0, 1).delayMs,
    );
    expect(bounds).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(planRetry(failures(3), neverConnected, {}, 0, 0.25).delayMs).toBe(2_000);
  });

  it('planRetry waits at least the floor and at most the cap', () => {
    expect(planRetry(failures(2), neverConnected, {}, 0, 0).delayMs).toBe(500);
    expect(planRetry(failures(2_000), neverConnected, {}, 0, 1).delayMs).toBe(30_000);
    const options = { floorMs: 10, capMs: 20, baseMs: 15 };
    expect(planRetry(failures(0), neverConnected, options, 0, 0).delayMs).toBe(10);
    expect(planRetry(failures(9), neverConnected, options, 0, 1).delayMs).toBe(20);
  });

  it('planRetry takes the retry value of the server as the base, between floor and cap', () => {
    const wait = (retryMs: number) =>
      planRetry(NO_FAILURES, { ...neverConnected, retryMs }, {}, 0, 1).delayMs;
    expect(wait(4_000)).toBe(4_000);
    expect(wait(0)).toBe(500);
    // The bound doubles from the floor, not from a lower `retry:`.
    expect(planRetry(failures(2), { ...neverConnected, retryMs: 1 }, {}, 0, 1).delayMs).toBe(2_000);
    expect(wait(9_999_999_999)).toBe(30_000);
  });

  it('planRetry prefers the baseMs option to the retry value of the server', () => {
    expect(planRetry(NO_FAILURES, { ...neverConnected, retryMs: 4_000 }, { baseMs: 700 }, 0, 1).delayMs).toBe(
      700,
    );
  });

  it('planRetry waits at most 500 ms after a connection that reached hello, at most once in 5 s', () => {
    const lost: Loss = { connectedMs: 10 };
    const first = planRetry(NO_FAILURES, lost, {}, 10_000, 0.5);
    expect(first).toMatchObject({ delayMs: 250, failures: 1, quickAt: 10_000 });
    const second = planRetry(first, lost, {}, 14_999, 0);
    expect(second).toMatchObject({ delayMs: 500, failures: 2, quickAt: 10_000 });
    expect(planRetry(second, lost, {}, 15_000, 0).delayMs).toBe(0);
  });

  it('planRetry resets the failure count after 5 s of connection, and not sooner', () => {
    expect(planRetry(failures(7), { connectedMs: 4_999 }, {}, 0, 0).failures).toBe(8);
    expect(planRetry(failures(7), { connectedMs: 5_000 }, {}, 0, 0).failures).toBe(1);
  });

  it('planRetry waits at least as long as Retry-After requires', () => {
    expect(planRetry(NO_FAILURES, { ...neverConnected, retryAfter: '60' }, {}, 0, 0.5).delayMs).toBe(60_000);
    expect(planRetry(failures(9), { ...neverConnected, retryAfter: '1' }, {}, 0, 1).delayMs).toBe(30_000);
  });

  it('planRetry ignores a Retry-After that is not a number, and waits one day at most', () => {
    const wait = (retryAfter: string) =>
      planRetry(NO_FAILURES, { ...neverConnected, retryAfter }, {}, 0, 0.5).delayMs;
    expect(wait('soon')).toBe(500);
    expect(wait('NaN')).toBe(500);
    expect(wait('-60')).toBe(500);
    expect(wait('1e12')).toBe(86_400_000);
  });

  it('planRetry uses the wait of a reconnect frame, and counts no failure', () => {
    const planned = planRetry(failures(3), { connectedMs: 100, afterMs: 1_234 }, {}, 0, 0.5);
    expect(planned).toMatchObject({ delayMs: 1_234, failures: 3, quickAt: 0 });
  });

  it('planRetry waits the floor when a server sends reconnect repeatedly', () => {
    const first = planRetry(NO_FAILURES, { connectedMs: undefined, afterMs: 0 }, {}, 0, 0.5);
    expect(first.delayMs).toBe(0);
    expect(planRetry(first, { connectedMs: undefined, afterMs: 0 }, {}, 100, 0.5).delayMs).toBe(500);
  });
});
