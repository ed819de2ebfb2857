import { expect, test } from 'vitest';
import { createManualClock, seededRandom } from './manual-clock.ts';

test('a manual clock runs due timers in the order of their times, and at one time in the order of their calls', async () => {
  const clock = createManualClock(1_000);
  const ran: Array<[name: string, at: number]> = [];
  const set = (name: string, ms: number) => clock.after(ms, () => void ran.push([name, clock.now()]));
  set('late', 20);
  set('first', 10);
  set('second', 10);
  set('not due', 21);
  await clock.advance(20);
  expect(ran).toEqual([
    ['first', 1_010],
    ['second', 1_010],
    ['late', 1_020],
  ]);
  expect([clock.pending, clock.now(), clock.wallNow()]).toEqual([1, 1_020, 1_020]);
});

test('a timer of a manual clock is cleared by a call or by its clear()', async () => {
  const clock = createManualClock();
  const ran: string[] = [];
  clock.after(1, () => ran.push('called'))();
  clock.after(1, () => ran.push('cleared')).clear();
  expect(clock.pending).toBe(0);
  await clock.advance(1);
  expect(ran).toEqual([]);
});

test('a manual clock runs a timer that became due while it slept at the next advance', async () => {
  const clock = createManualClock(0);
  let ranAt = 0;
  clock.after(10, () => (ranAt = clock.now()));
  clock.sleep(1_000);
  expect(ranAt).toBe(0);
  await clock.advance(0);
  expect(ranAt).toBe(1_000);
});

test('a manual clock settles promises and the calls that they defer', async () => {
  const clock = createManualClock();
  const done: string[] = [];
  clock.defer(async () => {
    await Promise.resolve();
    clock.defer(() => done.push('deferred by a promise'));
  });
  await clock.settle();
  expect(done).toEqual(['deferred by a promise']);
});

test('seededRandom repeats its numbers for the same seed', () => {
  const [one, same, other] = [seededRandom(7), seededRandom(7), seededRandom(8)];
  const draw = (random: () => number) => Array.from({ length: 5 }, random);
  const numbers = draw(one);
  expect(draw(same)).toEqual(numbers);
  expect(draw(other)).not.toEqual(numbers);
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
});
