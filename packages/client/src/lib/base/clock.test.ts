import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

afterEach(() => vi.restoreAllMocks());

it('systemClock limits a delay to the 2^31 - 1 ms that setTimeout can hold', () => {
  const setTimeout = vi.spyOn(globalThis, 'setTimeout');
  systemClock.after(2 ** 31, () => {})();
  systemClock.after(5, () => {})();
  expect(setTimeout.mock.calls.map(([, delayMs]) => delayMs)).toEqual([2 ** 31 - 1, 5]);
});
