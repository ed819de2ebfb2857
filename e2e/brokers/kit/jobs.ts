/** The contract of the tests of runs in several processes. */
import { defineChannel, run } from '@linefeed/shared';
import * as z from 'zod';

export const jobs = defineChannel({
  job: run({
    params: z.object({ name: z.string() }),
    /** `n` counts the events that one attempt yields. */
    data: z.object({ by: z.string(), n: z.number() }),
    result: z.string(),
  }),
});

/** The lease of a run, in milliseconds. */
export const LEASE_MS = 2_000;
