import { expect, test } from 'vitest';
import { Heartbeat } from './heartbeat.ts';
import { createManualClock } from '@linefeed/shared/testing';

test('a heartbeat step checks 500 connections per event-loop turn', async () => {
  const clock = createManualClock();
  const heartbeat = new Heartbeat(clock, 1_000);
  let beats = 0;
  const beatsAtTurns: number[] = [];
  const others = (): void => {
    beatsAtTurns.push(beats);
    if (beats < 1_200) clock.defer(others);
  };
  const onTick = (): void => {
    if (beats === 0) clock.defer(others);
    beats += 1;
  };
  for (let count = 0; count < 1_200; count += 1) heartbeat.add({ onTick });
  await clock.advance(200);
  expect(beatsAtTurns).toEqual([500, 1_000, 1_200]);
});

test('a heartbeat sets a timer of its own only for a deadline within its next two steps', async () => {
  const clock = createManualClock(0);
  const heartbeat = new Heartbeat(clock, 5_000);
  const ended: number[] = [];
  const add = (dueAt: number): void => {
    const target = {
      dueAt: () => dueAt,
      onTick(now: number) {
        if (now < dueAt) return;
        ended.push(now);
        heartbeat.remove(target);
      },
    };
    heartbeat.add(target);
  };
  for (let count = 0; count < 1_000; count += 1) add(1_800_000 + count);
  add(5_500);
  expect(clock.pending).toBe(1);
  await clock.advance(4_000);
  expect(clock.pending).toBe(2);
  await clock.advance(1_600);
  expect([ended, clock.pending]).toEqual([[5_500], 1]);
});

test('an overdue connection that does not end causes no loop of timers', async () => {
  const clock = createManualClock(0);
  const heartbeat = new Heartbeat(clock, 5_000);
  let beats = 0;
  heartbeat.add({ dueAt: () => 100, onTick: () => void (beats += 1) });
  await clock.advance(3_000);
  expect([beats, clock.pending]).toEqual([4, 1]);
});
