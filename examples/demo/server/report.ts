/** The long job: a report on a year, a day at a time. Its ids contain the position, so it resumes from there. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineStream, message } from '@linefeed/server';
import { board } from '../channel.ts';
import { daysOf, readDay } from '../daylight.ts';

/** Slow enough for a visitor to break the connection in between. */
const stepMs = 90;

export const report = defineStream(board, 'report', async function* ({ params, lastEventId, signal }) {
  const { run, step: done } = parseId(lastEventId) ?? { run: randomBytes(3).toString('hex'), step: 0 };
  const of = daysOf(params.year);
  for (let step = done + 1; step <= of; step++) {
    const day = readDay(params.year, step);
    yield message({ run, n: step, at: Date.now(), step, of, ...day }, { id: `${run}.${step}` });
    await sleep(stepMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
  }
});

function parseId(id: string | undefined): { run: string; step: number } | undefined {
  const match = /^([0-9a-f]{6})\.(\d{1,3})$/.exec(id ?? '');
  return match?.[1] === undefined ? undefined : { run: match[1], step: Number(match[2]) };
}
