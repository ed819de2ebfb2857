/** The contract of the end-to-end tests. */
import { defineChannel, stream, topic } from '@linefeed/shared';
import * as z from 'zod';

/** The data that a checker needs from an event: its publisher, and its number there. */
const Numbered = z.object({ run: z.string(), n: z.number() });

export const board = defineChannel({
  notice: Numbered,
  room: topic({ params: z.object({ name: z.string() }), data: Numbered }),
  report: stream({ params: z.object({ steps: z.number() }), data: z.object({ step: z.number() }) }),
});

export type Board = typeof board;
