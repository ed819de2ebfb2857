import { expect, test } from 'vitest';
import { Heartbeat } from './heartbeat.ts';
import { createManualClock } from './testing/manual-clock.ts';

test('a step looks at 500 connections, and at the rest when others had their turn', async () => {
  const clock = createManualClock();
  const heartbeat = new Heartbeat(clock, 1_000);
  let beats = 0;
  const beatsAtTurns: number[] = [];
  const others = (): void => {
    beatsAtTurns.push(beats);
    if (beats < 1_200) clock.defer(others);
  };
  const beat = (): void => {
    if (beats === 0) clock.defer(others);
    beats += 1;
  };
  for (let count = 0; count < 1_200; count += 1) heartbeat.add({ beat });
  await clock.advance(200);
  expect(beatsAtTurns).toEqual([500, 1_000, 1_200]);
});
