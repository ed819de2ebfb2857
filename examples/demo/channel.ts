/** The contract of the control room. The server imports its value, the browser only its type. */
import { defineChannel, run, topic } from '@linefeed/shared';
import { z } from 'zod';
import { symbols } from './symbols.ts';

/** On every event: the run that numbered it, its number in that run, and its time (ms since 1970). */
const stamp = { run: z.string(), n: z.int().positive(), at: z.number() };

const RoomName = z.string().regex(/^[a-z0-9-]{1,24}$/, 'a room name is 1 to 24 of a–z, 0–9 and "-"');

const Year = z.int().min(1900).max(2100);

const Name = z.string().trim().min(1).max(32);

export const board = defineChannel({
  notice: z.object({ ...stamp, text: z.string(), level: z.enum(['info', 'warn']) }),

  host: z.object({
    ...stamp,
    cpuPercent: z.number(),
    cores: z.int(),
    load: z.number(),
    memoryUsedBytes: z.number(),
    memoryTotalBytes: z.number(),
    loopDelayMs: z.number(),
  }),

  price: topic({
    params: z.object({ symbol: z.enum(symbols) }),
    data: z.object({ ...stamp, bid: z.number(), open: z.number() }),
    keep: 'latest',
  }),

  room: topic({
    params: z.object({ name: RoomName }),
    data: z.object({ ...stamp, author: z.string(), text: z.string() }),
  }),

  report: run({
    params: z.object({ year: Year }),
    data: z.object({
      ...stamp,
      /** The attempt that recorded this step: 1, and one more after each restart of the server. */
      attempt: z.int().positive(),
      step: z.int(),
      of: z.int(),
      date: z.iso.date(),
      daylightMinutes: z.int(),
    }),
    result: z.object({ days: z.int(), daylightMinutes: z.int() }),
  }),
});

export type Board = typeof board;

/** The body of `POST /say`. Users send with fetch, because the feed has only one direction. */
export const Said = z.object({
  room: RoomName,
  author: Name,
  text: z.string().trim().min(1).max(500),
});

/** The body of `POST /report`. The page makes one key for each press of its button, so a repeated request starts nothing. */
export const Started = z.object({ year: Year, key: z.string().min(1).max(64) });

/** The body of `POST /report/stop`. With `run`, a later run is not stopped. */
export const Stopped = z.object({ year: Year, run: z.string().optional(), by: Name });
