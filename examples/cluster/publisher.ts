/** Publishes numbered events. After a restart the numbers continue, so a reader can tell that none is missing. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LinefeedError, type Feed, type Log } from '@linefeed/server';
import type { Board } from './channel.ts';
import type { Name } from './names.ts';

interface Place {
  readonly series: string;
  readonly n: number;
}

const everyMs = 250;
const retryMs = 500;

export async function publishTicks(
  feed: Pick<Feed<Board>, 'publish'>,
  log: Log,
  by: Name,
  signal: AbortSignal,
): Promise<void> {
  const last = await findLast(log, by);
  const series = last?.series ?? randomBytes(4).toString('hex');
  for (let n = (last?.n ?? 0) + 1; !signal.aborted; n += 1) {
    await publishOnce(feed, by, { series, n }, signal);
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Repeats an event until the log has it. A publish that failed may have appended the event all the same: the key
 * prevents a second one.
 */
async function publishOnce(
  feed: Pick<Feed<Board>, 'publish'>,
  by: Name,
  place: Place,
  signal: AbortSignal,
): Promise<void> {
  const event = { ...place, at: Date.now() };
  const idempotencyKey = `${place.series} ${place.n}`;
  while (!signal.aborted) {
    try {
      await feed.publish('tick', { by }, event, { idempotencyKey });
      return;
    } catch (error) {
      if (!LinefeedError.is(error)) throw error;
      // The killed process had published this number before its end.
      if (error.code === 'idempotency_conflict') return;
      if (!error.retryable) throw error;
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Reads the newest event of this name that the log holds. */
async function findLast(log: Log, by: Name): Promise<Place | undefined> {
  const address = `tick?by=${by}`;
  let last: Place | undefined;
  for (let after = '0'; ;) {
    const addresses = new Map([[address, after]]);
    const { events, through } = await log.read({ after, addresses, limit: 500, maxBytes: 262_144 });
    const newest = events.at(-1);
    if (newest !== undefined) last = JSON.parse(newest.data) as Place;
    if (through === after) return last;
    after = through;
  }
}
