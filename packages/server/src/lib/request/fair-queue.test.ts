import { describe, expect, it } from 'vitest';
import { createManualClock } from '@linefeed/shared/testing';
import { FairQueue } from './fair-queue.ts';

describe('the throttle of requests per event-loop turn', () => {
  it('requests over the number per turn pass in later event-loop turns, FIFO', async () => {
    const deferred: Array<() => void> = [];
    const clock = { ...createManualClock(), defer: (call: () => void) => void deferred.push(call) };
    const queue = new FairQueue(clock, 2);
    const through: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      const waiting = queue.take();
      if (waiting === undefined) through.push(n);
      else void waiting.then(() => through.push(n));
    }
    const seen = [[...through]];
    while (deferred.length > 0) {
      deferred.shift()!();
      await Promise.resolve();
      seen.push([...through]);
    }
    expect(seen).toEqual([
      [0, 1],
      [0, 1, 2, 3],
      [0, 1, 2, 3, 4, 5],
      [0, 1, 2, 3, 4, 5, 6],
      [0, 1, 2, 3, 4, 5, 6],
    ]);
    expect(queue.take()).toBeUndefined();
  });

  it('fewer requests pass per event-loop turn when each has a higher cost', async () => {
    const deferred: Array<() => void> = [];
    const clock = { ...createManualClock(), defer: (call: () => void) => void deferred.push(call) };
    const queue = new FairQueue(clock, 4);
    const through: number[] = [];
    for (const cost of [3, 3, 3, 1, 1]) {
      const waiting = queue.take(cost);
      if (waiting === undefined) through.push(cost);
      else void waiting.then(() => through.push(cost));
    }
    const seen = [through.length];
    while (deferred.length > 0) {
      deferred.shift()!();
      await Promise.resolve();
      seen.push(through.length);
    }
    expect(seen).toEqual([2, 4, 5, 5]);
    expect(through).toEqual([3, 3, 3, 1, 1]);
  });

  it('a new request does not overtake queued ones', () => {
    const deferred: Array<() => void> = [];
    const clock = { ...createManualClock(), defer: (call: () => void) => void deferred.push(call) };
    const queue = new FairQueue(clock, 1);
    void queue.take();
    void queue.take();
    void queue.take();
    deferred.shift()!();
    expect(queue.take()).toBeInstanceOf(Promise);
  });
});
