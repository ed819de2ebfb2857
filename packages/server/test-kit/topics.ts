/** The topics of the server's tests: one of each kind. */
import { stream, topic } from '@linefeed/shared';
import * as z from 'zod';

export const topics = {
  notice: z.object({ text: z.string() }),
  other: z.object({ n: z.number() }),
  price: topic({
    params: z.object({ symbol: z.string() }),
    data: z.object({ bid: z.number() }),
    keep: 'latest',
  }),
  room: topic({
    params: z.object({ name: z.string(), floor: z.number().default(0) }),
    data: z.object({ text: z.string() }),
  }),
  report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
  tick: stream({ data: z.number() }),
};
