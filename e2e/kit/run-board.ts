/** The contract of the end-to-end tests of runs. */
import { defineChannel, run } from '@linefeed/shared';
import * as z from 'zod';

export const runBoard = defineChannel({
  notice: z.number(),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ n: z.number() }),
    result: z.object({ count: z.number() }),
  }),
});

export type RunBoard = typeof runBoard;
