import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const BATCHES = 10;
/** A leak of one object per round costs at least this many bytes. */
const LEAK_BYTES = 100;

/**
 * Returns the heap bytes that each round leaves: the slope over the later batches. Each batch takes the lowest of three
 * readings.
 */
async function measureGrowth(rounds: number, round: () => Promise<void> | void): Promise<number> {
  const heap: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    for (let count = 0; count < rounds / BATCHES; count += 1) await round();
    const looks: number[] = [];
    for (let look = 0; look < 3; look += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
      looks.push(process.memoryUsage().heapUsed);
    }
    heap.push(Math.min(...looks));
  }
  // Compiled code and caches grow in the first half.
  const half = heap.slice(BATCHES / 2);
  return (half.at(-1)! - half[0]!) / ((half.length - 1) * (rounds / BATCHES));
}

it('the client keeps no timer, listener, queued work or memory after 10,000 subscriptions', async () => {
  const script = createScript();
  const { signal } = new AbortController();
  script.listen('kept');
  await script.accept(0);
  const before = script.clock.pending;
  let round = 0;
  const growth = await measureGrowth(10_000, async () => {
    script.client.subscribe('a', () => {}, { signal })();
    script.client.subscribe('kept', () => {}, { signal })();
    round += 1;
    if (round % 100 === 0) await script.settle();
  });
  expect(growth).toBeLessThan(LEAK_BYTES);
  await script.clock.advance(2_000);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(script.clock.pending).toBe(before);
  expect(script.controls).toEqual([]);
});

it('the client keeps no memory after 10,000 subscriptions that the server has accepted', async () => {
  const script = createScript({ lingerMs: 0 });
  script.listen('kept');
  await script.accept(0);
  let position = 0;
  let requests = 0;
  const growth = await measureGrowth(10_000, async () => {
    const stop = script.client.subscribe('a', () => {});
    await script.settle();
    script.last().subscribed('a', position, { n: (requests += 1) });
    const prev = position;
    position += 1;
    script.last().send('a', 'x', `e.${position.toString(36)}.${prev.toString(36)}`);
    stop();
    await script.clock.advance(1);
    script.last().send('linefeed.end', { address: 'a', n: (requests += 1) });
    await script.settle();
    // The fake server's own record is not a leak of the client.
    script.controls.length = 0;
  });
  expect(growth).toBeLessThan(LEAK_BYTES);
  expect(requests).toBe(20_000);
  expect(script.client.cursor).toBe(`e.${position.toString(36)}`);
  expect(script.client.connection.getSnapshot().connectionCount).toBe(1);
});

it('the client holds one timer at a time, and no more memory, through 3,000 reconnections', async () => {
  const script = createScript();
  script.client.subscribe('a', () => {});
  await script.settle();
  let attempts = 1;
  const growth = await measureGrowth(3_000, async () => {
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    expect(script.clock.pending).toBe(1);
    await script.clock.advance(6_000);
    const former = script.last();
    former.lose();
    expect(script.clock.pending).toBe(1);
    await script.clock.advance(500);
    attempts += script.attempts.length - 1;
    expect(former.closed).toBe(true);
    script.attempts.splice(0, script.attempts.length - 1);
  });
  // A leaked connection consists of more than one small object.
  expect(growth).toBeLessThan(2 * LEAK_BYTES);
  expect(attempts).toBe(3_001);
  expect(script.client.connection.getSnapshot().connectionCount).toBe(3_000);
  script.client.close();
  expect(script.clock.pending).toBe(0);
});

it('a handler that never settles costs no memory for events that other handlers have settled', async () => {
  const script = createScript();
  script.client.subscribe('a', () => new Promise(() => {}));
  script.client.subscribe('b', async () => {});
  await script.settle();
  script.last().hello('e.0');
  for (const topic of ['a', 'b']) script.last().subscribed(topic, 0);
  script.last().send('a', 1, 'e.1.0');
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const heap = async () => {
    await turn();
    collect();
    return process.memoryUsage().heapUsed;
  };
  let position = 1;
  const send = async (count: number) => {
    for (let batch = 0; batch < count / 100; batch += 1) {
      // Several at once, so that one settles after another.
      for (let index = 0; index < 100; index += 1) {
        const prev = position === 1 ? 0 : position;
        position += 1;
        script.last().sink.onFrame('b', '1', `e.${position.toString(36)}.${prev.toString(36)}`);
      }
      await turn();
    }
  };
  await send(10_000);
  const before = await heap();
  await send(20_000);
  expect(((await heap()) - before) / 20_000).toBeLessThan(20);
  expect(script.client.cursor).toBe('e.0');
});

it('the last ids of 100 streams keep none of the chunks that they arrived in', async () => {
  const script = createScript();
  for (let index = 0; index < 100; index += 1) script.listen(`report-${index}`);
  await script.settle();
  script.last().hello();
  const { entries } = script.last().opening;
  for (const { address, key } of entries) script.last().acceptStream(address, key!);
  const heap = async () => {
    await script.settle();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await heap();
  for (const { address, key } of entries) {
    const mark = '~a-long-id-of-an-event';
    // An id from a transport is a part of its chunk.
    const chunk = `${mark}${'x'.repeat(2 ** 18)}`;
    script.last().sink.onFrame(`${address}~${key}`, '1', chunk.slice(0, mark.length));
  }
  expect((await heap()) - before).toBeLessThan(2 ** 20);
});
