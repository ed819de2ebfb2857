/** The contract of the control room. The server imports its value, the browser only its type. */
import { defineChannel, stream, topic } from '@linefeed/shared';
import { z } from 'zod';
import { symbols } from './symbols.ts';

/** On every event: the run that numbered it, its number in that run, and its time of publication (ms since 1970). */
const stamp = { run: z.string(), n: z.int().positive(), at: z.number() };

const RoomName = z.string().regex(/^[a-z0-9-]{1,24}$/, 'a room name is 1 to 24 of a–z, 0–9 and "-"');

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

  report: stream({
    params: z.object({ year: z.int().min(1900).max(2100) }),
    data: z.object({
      ...stamp,
      step: z.int(),
      of: z.int(),
      date: z.iso.date(),
      daylightMinutes: z.int(),
    }),
  }),
});

export type Board = typeof board;

/** The body of `POST /say`. Users send with fetch, because the feed has only one direction. */
export const Said = z.object({
  room: RoomName,
  author: z.string().trim().min(1).max(32),
  text: z.string().trim().min(1).max(500),
});
