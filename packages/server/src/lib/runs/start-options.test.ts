import { expect, test } from 'vitest';
import { resolveLimits } from '../base/default-options.ts';
import { resolveStart, type RunStartOptions } from './start-options.ts';

const limits = resolveLimits({});

test('a start has the defaults of its feed', async () => {
  expect(await resolveStart({}, limits)).toEqual({
    key: undefined,
    input: undefined,
    whenBusy: 'join',
    principal: undefined,
    attempts: 1,
    leaseMs: 10_000,
    keepMs: 600_000,
    maxDurationMs: 3_600_000,
  });
  const never = await resolveStart({ maxDurationMs: false }, limits);
  expect(never.maxDurationMs).toBe(Infinity);
});

test.each<[string, RunStartOptions, string]>([
  ['key that is empty', { key: '' }, 'key must be'],
  ['key that is too long', { key: 'x'.repeat(257) }, 'of 1 to 256 characters, not 257'],
  ['key with a lone surrogate', { key: '\ud800' }, 'key must be'],
  ['principal that is empty', { principal: '' }, 'principal must be'],
  ['whenBusy that is unknown', { whenBusy: 'wait' as never }, 'join, refuse or replace, not "wait"'],
  ['attempts that is 0', { attempts: 0 }, 'attempts must be a whole number from 1 up, not 0'],
  ['attempts without a key', { attempts: 2 }, 'needs a key'],
  ['input without a key', { input: 5 }, 'give a key'],
  ['input that is not JSON', { key: 'a', input: () => 1 }, 'input must be JSON'],
  ['leaseMs that is too short', { leaseMs: 999 }, 'leaseMs must be a number from 1000'],
  ['keepMs that is 0', { keepMs: 0 }, 'keepMs must be a number above 0, not 0'],
  ['maxDurationMs that is negative', { maxDurationMs: -1 }, 'maxDurationMs of start must be'],
  ['with an unknown name', { lease: 5 } as never, 'start has no option "lease"'],
])('a start refuses the option %s', async (_, options, message) => {
  await expect(resolveStart(options, limits)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringContaining(message),
  });
});
