import { expect, it } from 'vitest';
import { createBackPressure } from './back-pressure.ts';

it('back-pressure is on until its last holder releases it', async () => {
  const backPressure = createBackPressure();
  expect(backPressure.full()).toBeUndefined();
  backPressure.hold();
  const waiting = backPressure.full();
  backPressure.hold();
  expect(backPressure.full()).toBe(waiting);
  backPressure.release();
  expect(backPressure.full()).toBe(waiting);
  backPressure.release();
  expect(backPressure.full()).toBeUndefined();
  await waiting;
  backPressure.hold();
  expect(backPressure.full()).not.toBe(waiting);
  backPressure.release();
});
