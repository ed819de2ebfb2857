import { describe, expect, it } from 'vitest';
import { resolveLimits, type FeedLimits } from './limits.ts';

describe('limits of a feed', () => {
  it('the limits have the defaults that docs/limits.md lists', () => {
    expect(resolveLimits({})).toEqual({
      pingMs: 15_000,
      timeoutMs: 35_000,
      maxDurationMs: 1_800_000,
      retryMs: 1_000,
      requestTimeoutMs: 10_000,
      maxBufferedBytes: 1_048_576,
      stallTimeoutMs: 30_000,
      maxSubscriptions: 256,
      maxConnections: Infinity,
      maxConnectionsPerPrincipal: Infinity,
      maxAddressBytes: 1_024,
      maxPayloadBytes: 1_048_576,
      maxRequestBytes: 1_048_576,
    } satisfies FeedLimits);
    expect(resolveLimits({ pingMs: 1_000 }).timeoutMs).toBe(7_000);
  });

  it.each(Object.keys(resolveLimits({})) as Array<keyof FeedLimits>)(
    'a limit that is negative or NaN is refused with its name and value: %s',
    (name) => {
      for (const value of [-1, Number.NaN]) {
        expect(() => resolveLimits({ [name]: value })).toThrow(
          `${name} must be a positive number, not ${value}`,
        );
      }
    },
  );

  it('a limit of 0 is accepted for maxDurationMs and retryMs, and refused for pingMs', () => {
    expect(resolveLimits({ maxDurationMs: 0, retryMs: 0 })).toMatchObject({ maxDurationMs: 0, retryMs: 0 });
    expect(() => resolveLimits({ pingMs: 0 })).toThrow('pingMs must be a positive number, not 0');
  });

  it('a timeoutMs that is not greater than pingMs is refused', () => {
    expect(() => resolveLimits({ pingMs: 5_000, timeoutMs: 5_000 })).toThrow(
      'timeoutMs (5000) must be greater than pingMs (5000)',
    );
  });
});
