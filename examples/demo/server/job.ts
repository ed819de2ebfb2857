/** The long job: counts primes, a hundred thousand numbers per step. Its ids say where it was, so it goes on from there. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineStream, message } from '@linefeed/server';
import { board } from '../channel.ts';

const numbersPerStep = 100_000;
const stepMs = 350;

export const job = defineStream(board, 'job', async function* ({ params, lastEventId, signal }) {
  const { run, step: done } = parseId(lastEventId) ?? { run: randomBytes(3).toString('hex'), step: 0 };
  for (let n = done + 1; n <= params.steps; n++) {
    const from = (n - 1) * numbersPerStep;
    const to = n * numbersPerStep;
    const found = countPrimes(from, to);
    yield message({ run, n, at: Date.now(), steps: params.steps, from, to, found }, { id: `${run}.${n}` });
    await sleep(stepMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
});

function parseId(id: string | undefined): { run: string; step: number } | undefined {
  const match = /^([0-9a-f]{6})\.(\d{1,4})$/.exec(id ?? '');
  return match?.[1] === undefined ? undefined : { run: match[1], step: Number(match[2]) };
}

/** How many primes there are from `from` up to, but not including, `to`: a segmented sieve. */
function countPrimes(from: number, to: number): number {
  const composite = new Uint8Array(to - from);
  for (let factor = 2; factor * factor < to; factor++) {
    const first = Math.max(factor * factor, Math.ceil(from / factor) * factor);
    for (let multiple = first; multiple < to; multiple += factor) composite[multiple - from] = 1;
  }
  let count = 0;
  for (let value = Math.max(2, from); value < to; value++) count += composite[value - from] === 0 ? 1 : 0;
  return count;
}
