/** The long job: a report on a year, a day at a time. It is a run, so it goes on without readers and after a restart. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunSource } from '@linefeed/server';
import { LinefeedError } from '@linefeed/shared';
import { z } from 'zod';
import { Started, Stopped, type Board } from '../channel.ts';
import { daysOf, readDay } from '../daylight.ts';
import type { ControlRoom } from './control-room.ts';
import { pathOf, readJson, sendJson, type Handler } from './http.ts';

export interface Reports {
  /** `POST /report` and `POST /report/stop`. */
  readonly handle: Handler;
  /** Continues the reports of producers that have died, now and later. */
  start(): void;
  stop(): void;
}

/** Slow enough for a visitor to break the connection in between. */
const stepMs = 90;
/** One for each restart of the server during one report. */
const attempts = 50;
const takeUpMs = 500;

const reckon: RunSource<Board, 'report'> = async function* ({ params, run, attempt, stored, signal }) {
  const of = daysOf(params.year);
  let minutes = stored.reduce((sum, { daylightMinutes }) => sum + daylightMinutes, 0);
  // The steps of earlier attempts are recorded already.
  for (let step = stored.length + 1; step <= of; step++) {
    const day = readDay(params.year, step);
    minutes += day.daylightMinutes;
    yield { run, n: step, at: Date.now(), attempt, step, of, ...day };
    await sleep(stepMs, undefined, { signal });
  }
  return { days: of, daylightMinutes: minutes };
};

export function createReports(feed: ControlRoom['feed']): Reports {
  let timer: NodeJS.Timeout | undefined;

  function begin(year: number, key: string) {
    return feed.start('report', { year }, reckon, { key, attempts });
  }

  async function takeUp(): Promise<void> {
    for (const { status, params, key } of await feed.runs('report'))
      if (status === 'expired' && key !== undefined) await begin(params.year, key);
  }

  const routes: Record<string, (body: unknown) => Promise<object>> = {
    '/report'(body) {
      const { year, key } = Started.parse(body);
      return begin(year, key);
    },
    async '/report/stop'(body) {
      const { year, run, by } = Stopped.parse(body);
      return (await feed.stop('report', { year }, { run, reason: by })) ?? {};
    },
  };

  return {
    async handle(req, res, next) {
      const route = req.method === 'POST' ? routes[pathOf(req)] : undefined;
      if (route === undefined) return next();
      try {
        const body = await readJson(req, res);
        if (body !== undefined) sendJson(res, 200, await route(body));
      } catch (error) {
        if (error instanceof z.ZodError) {
          sendJson(res, 400, { message: z.prettifyError(error) });
          return;
        }
        console.error(`POST ${pathOf(req)} failed:`, error);
        const { status } = LinefeedError.is(error) ? error : { status: undefined };
        if (!res.headersSent) sendJson(res, status ?? 500, { message: 'The report could not be changed.' });
      }
    },
    start() {
      // The producer of a killed process counts as alive until its lease is over, 10 s after its last step.
      timer = setInterval(() => {
        takeUp().catch((error: unknown) => console.error('A report could not be continued:', error));
      }, takeUpMs);
    },
    stop() {
      clearInterval(timer);
    },
  };
}
