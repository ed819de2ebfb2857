/** One feed for the process, kept across the reloads of a dev server. */
import { createFeed, type Feed } from '@linefeed/server';
import { board } from './channel.ts';

// A dev server that reloads this module would create a second feed. Events published by the new code would not reach
// the clients of the old feed. `globalThis` outlives the module.
const kept = globalThis as typeof globalThis & { linefeed?: Feed<typeof board> };

export const feed: Feed<typeof board> = (kept.linefeed ??= createFeed(board, {
  path: '/events',
  // Everything in this channel is public.
  authorize: () => true,
}));
