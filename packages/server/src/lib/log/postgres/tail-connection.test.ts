import { createManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import { pgDriver } from '../../database/postgres/pg-driver.ts';
import { TailConnection } from './tail-connection.ts';

const POLL_MS = 80;

/** Follows the waits of a connection that is never opened: the times at which each ends. */
function poll(): {
  readonly tail: TailConnection;
  advance(ms: number): Promise<void>;
  readonly ends: number[];
} {
  const clock = createManualClock();
  const pool = { on: () => undefined } as never;
  const tail = new TailConnection({
    driver: pgDriver(pool, undefined),
    head: 'head',
    clock,
    pollMs: POLL_MS,
    listen: false,
  });
  const start = clock.now();
  const ends: number[] = [];
  const { signal } = new AbortController();
  const run = async (): Promise<void> => {
    for (;;) {
      tail.expect();
      await tail.wait(500, signal);
      ends.push(clock.now() - start);
    }
  };
  void run();
  return {
    tail,
    ends,
    async advance(ms) {
      for (let n = 0; n < ms; n += 1) await clock.advance(1);
    },
  };
}

describe('the polls of the tail', () => {
  it('come at the interval of the poll', async () => {
    const { advance, ends } = poll();
    await advance(200);
    expect(ends).toEqual([80, 160]);
  });

  it('come earlier after a publish in a transaction, at doubled intervals', async () => {
    const { tail, advance, ends } = poll();
    await advance(90);
    tail.expectCommit();
    await advance(240);
    expect(ends).toEqual([80, 100, 120, 160, 240, 320]);
  });

  it('are not postponed by a steady flow of publishes', async () => {
    const { tail, advance, ends } = poll();
    for (let n = 0; n < 30; n += 1) {
      tail.expectCommit();
      await advance(2);
    }
    expect(ends.length).toBeGreaterThanOrEqual(5);
    await advance(80);
    expect(
      ends
        .slice(-3)
        .map((end, index, all) => end - (all[index - 1] ?? end))
        .slice(1),
    ).toEqual([20, 40]);
  });
});
