import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { createScript } from '../../test/scripted-transport.ts';

it('leaves no timer, listener or queued work behind 10,000 subscriptions', async () => {
  const script = createScript();
  const { signal } = new AbortController();
  script.client.subscribe('kept', () => {});
  await script.settle();
  script.last().hello('e.0');
  script.last().subscribed('kept', 0);
  const before = script.clock.pending;
  for (let round = 1; round <= 10_000; round += 1) {
    script.client.subscribe('a', () => {}, { signal })();
    script.client.subscribe('kept', () => {}, { signal })();
    if (round % 100 === 0) await script.settle();
  }
  await script.clock.advance(2_000);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(script.clock.pending).toBe(before);
  expect(script.controls).toEqual([]);
});

it('holds one timer at a time through 1,000 reconnections', async () => {
  const script = createScript();
  script.client.subscribe('a', () => {});
  await script.settle();
  for (let round = 1; round <= 1_000; round += 1) {
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    expect(script.clock.pending).toBe(1);
    await script.clock.advance(6_000);
    script.last().lose();
    expect(script.clock.pending).toBe(1);
    await script.clock.advance(500);
  }
  expect(script.attempts).toHaveLength(1_001);
  expect(script.attempts.filter(({ closed }) => !closed)).toHaveLength(1);
  script.client.close();
  expect(script.clock.pending).toBe(0);
});
