/** Contract of a log: its server restarts or pauses, connections break, answers are lost. Nothing is missing or doubled. */
import assert from 'node:assert/strict';
import { comparePositions, type Position } from '@linefeed/shared/wire';
import type { LogBench, LogCaseBody } from './log-bench.ts';
import {
  assertCovered,
  entryOf,
  hasCode,
  isRetryable,
  numbers,
  valuesOf,
  type Following,
} from './log-checks.ts';
import { DISTURBANCES, type Disturbance } from './disturbances.ts';

/** Every tail and every page has each of these values once, all in one order. */
async function assertOnce(
  bench: LogBench,
  followings: readonly Following[],
  values: readonly string[],
): Promise<void> {
  for (const following of followings) {
    await bench.until(`${values.length} events`, () => following.events.length >= values.length);
    assert.deepEqual(following.resets, []);
  }
  const page = await bench.read(['a']);
  assert.equal(page.events.length, values.length);
  assert.deepEqual(new Set(valuesOf(page.events)), new Set(values));
  const positions = page.events.map(({ position }) => position);
  for (const { events } of followings) {
    assert.deepEqual(
      events.map(({ position }) => position),
      positions,
    );
  }
}

/** The fault is repeated, and meets calls on their way: not sent yet, sent, performed. */
function duringFault({ fault, text, disturb }: Disturbance): LogCaseBody[] {
  // Turns of the event loop before the fault. The log needs some seconds to notice silence.
  const rounds = fault === 'pause' || fault === 'halfOpen' ? [1] : [0, 1, 2, 4];
  return [
    {
      name: `every event that is published until it succeeds reaches every tail once if ${text}`,
      needs: [fault],
      async run(bench) {
        const other = await bench.open();
        const followings = [bench.follow(), bench.follow(other)];
        const values: string[] = [];
        const publish = (when: string, round: number) =>
          [bench.log, other].map((log, index) => {
            const value = `${when} ${round} by ${index}`;
            values.push(value);
            return bench.publish('a', value, log);
          });
        for (const round of rounds) {
          const publishing = publish('before', round);
          await bench.turns(round);
          const disturbing = disturb(bench);
          publishing.push(...publish('during', round));
          await disturbing;
          publishing.push(...publish('after', round));
          await bench.all(publishing);
        }
        await assertOnce(bench, followings, values);
      },
    },
    {
      name: `an append without a key happens at most once, and in call order, if ${text}`,
      needs: [fault],
      async run(bench) {
        for (const round of rounds) {
          const value = (n: number) => `${round}.${n}`;
          const appending = numbers(4).map(async (n) => await bench.log.append([entryOf('a', value(n))]));
          const settling = Promise.allSettled(appending);
          await bench.turns(round);
          await disturb(bench);
          const results = await bench.finish(settling);
          // When a later append has succeeded, the earlier ones have happened or will not happen.
          await bench.addSurely('a', value(5));
          const { events } = await bench.read(['a']);
          const held = valuesOf(events);
          for (const [index, result] of results.entries()) {
            const found = events.filter((_, at) => held[at] === value(index + 1));
            assert.ok(found.length <= 1, `an append happened ${found.length} times`);
            if (result.status === 'fulfilled') {
              assert.equal(
                found[0]?.position,
                result.value.position,
                'an append that succeeded has happened',
              );
            } else assert.ok(isRetryable(result.reason), `rejected with ${String(result.reason)}`);
          }
          const order = held.map(Number).filter((one) => Math.floor(one) === round);
          assert.deepEqual(
            order,
            order.toSorted((one, other) => one - other),
          );
        }
      },
    },
  ];
}

export const faultCases: readonly LogCaseBody[] = [
  ...DISTURBANCES.flatMap(duringFault),
  {
    name: 'an append to a server that is away is rejected in time, with a retryable log_failed',
    needs: ['stop'],
    async run(bench) {
      const end = await bench.begin('stop');
      await assert.rejects(bench.add('a', 1), (error) => hasCode('log_failed')(error) && isRetryable(error));
      await end();
      await bench.addSurely('a', 2);
      assert.equal(valuesOf((await bench.read(['a'])).events).at(-1), 2);
    },
  },
  {
    name: 'a tail is told once that the server is away, and continues when it is back',
    needs: ['stop'],
    async run(bench) {
      const following = bench.follow();
      await bench.add('a', 1);
      await bench.until('the first event', () => following.events.length === 1);
      const end = await bench.begin('stop');
      await bench.until('the error', () => following.errors.length > 0);
      await bench.pass(1_000);
      assert.equal(following.errors.length, 1);
      await end();
      await bench.addSurely('a', 2);
      await bench.until('the second event', () => following.events.length === 2);
      assert.deepEqual([following.values, following.resets], [[1, 2], []]);
    },
  },
  {
    name: 'an append on a half-open connection is settled in time',
    needs: ['halfOpen'],
    async run(bench) {
      await bench.add('a', 1);
      await bench.cause('halfOpen');
      const [result] = await bench.finish(Promise.allSettled([bench.log.append([entryOf('a', 2)])]));
      assert.ok(result.status === 'fulfilled' || isRetryable(result.reason));
    },
  },
  {
    name: 'a tail that is slower than the eviction is reset, and pages report what it missed',
    needs: ['halfOpen'],
    bounds: { maxEvents: 8 },
    async run(bench) {
      const following = bench.follow();
      const first = await bench.add('a', 0);
      await bench.until('the first event', () => following.through === first);
      await bench.cause('halfOpen');
      const fresh = await bench.open();
      const positions: Position[] = [];
      for (const n of numbers(30 + bench.slack)) positions.push(await bench.add('a', n, fresh));
      await bench.until(
        'the newest event',
        () => comparePositions(following.through, positions.at(-1)!) >= 0,
      );
      assert.deepEqual(
        following.resets.map(({ reason, epoch }) => [reason, epoch]),
        [['trimmed', fresh.epoch]],
      );
      assertCovered(await bench.read(['a'], { after: first }), 'a', positions, first);
      const last = await bench.add('a', 'last', fresh);
      await bench.until('the next event', () => following.through === last);
      assert.equal(following.values.at(-1), 'last');
    },
  },
];
