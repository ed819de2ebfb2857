import { describe, expect, it } from 'vitest';
import { resolveLimits, type FeedLimits } from './default-options.ts';

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
      maxRunEvents: 100_000,
      maxRunBytes: 16_777_216,
      maxRunDurationMs: 3_600_000,
      maxRunsPerPrincipal: 100,
      runLeaseMs: 10_000,
      runKeepMs: 600_000,
      runPollMs: 100,
    } satisfies FeedLimits);
    expect(resolveLimits({ pingMs: 1_000 }).timeoutMs).toBe(7_000);
  });

  it.each(Object.keys(resolveLimits({})) as Array<keyof FeedLimits>)(
    'a limit that is negative, infinite or NaN is refused with its name and value: %s',
    (name) => {
      for (const value of [-1, Number.NaN, Infinity]) {
        expect(() => resolveLimits({ [name]: value })).toThrow(
          new RegExp(`^${name} must be a positive number(, or false for (never|no limit))?, not ${value}`),
        );
      }
    },
  );

  it('a limit of 0 is accepted for retryMs, and refused for maxDurationMs and pingMs with a hint to use false', () => {
    expect(resolveLimits({ retryMs: 0 })).toMatchObject({ retryMs: 0 });
    for (const name of ['pingMs', 'maxDurationMs'])
      expect(() => resolveLimits({ [name]: 0 })).toThrow(
        `${name} must be a positive number, or false for never, not 0`,
      );
    expect(() => resolveLimits({ maxConnections: 0 })).toThrow('or false for no limit, not 0');
  });

  it('false means no limit for options that can be turned off, and is refused for others', () => {
    const never = { pingMs: false, maxDurationMs: false, stallTimeoutMs: false } as const;
    expect(resolveLimits({ ...never, maxConnections: false })).toMatchObject({
      pingMs: Infinity,
      timeoutMs: Infinity,
      maxDurationMs: Infinity,
      stallTimeoutMs: Infinity,
      maxConnections: Infinity,
    });
    expect(() => resolveLimits({ maxPayloadBytes: false as unknown as number })).toThrow(
      'maxPayloadBytes must be a positive number, not false',
    );
    expect(() => resolveLimits({ pingMs: false, timeoutMs: 5_000 })).toThrow(
      'timeoutMs (5000) must be greater than pingMs (false)',
    );
  });

  it('a timeoutMs that is not greater than pingMs is refused', () => {
    expect(() => resolveLimits({ pingMs: 5_000, timeoutMs: 5_000 })).toThrow(
      'timeoutMs (5000) must be greater than pingMs (5000)',
    );
  });
});
