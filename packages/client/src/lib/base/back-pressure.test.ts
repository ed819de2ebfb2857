import { expect, it } from 'vitest';
import { createGate } from './back-pressure.ts';

it('the gate is full until its last holder releases it', async () => {
  const gate = createGate();
  expect(gate.full()).toBeUndefined();
  gate.hold();
  const waiting = gate.full();
  gate.hold();
  expect(gate.full()).toBe(waiting);
  gate.release();
  expect(gate.full()).toBe(waiting);
  gate.release();
  expect(gate.full()).toBeUndefined();
  await waiting;
  gate.hold();
  expect(gate.full()).not.toBe(waiting);
  gate.release();
});
