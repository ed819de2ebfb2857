/** The contract and the feed of the recorded sessions. */
import { createFeed, message, type Feed, type FeedOptions } from '@linefeed/server';
import { defineChannel, type Channel } from '@linefeed/shared';
import * as z from 'zod';
import { topics as basic } from '../topics.ts';
import type { Session } from './session.ts';

const topics = {
  ...basic,
  notice: z.object({ text: z.string(), level: z.enum(['info', 'warn']).default('info') }),
};

export type Board = Channel<typeof topics>;

/** A new channel for each feed: a second feed of one channel logs a warning. */
export function createBoard(): Board {
  return defineChannel(topics);
}

/** Three steps with ids, from `lastEventId` on. Then it ends. */
export function* reportSource({
  lastEventId,
}: {
  readonly lastEventId: string | undefined;
}): Generator<ReturnType<typeof message<{ step: number }>>> {
  for (let step = Number(lastEventId ?? 0) + 1; step <= 3; step += 1) yield message({ step }, { id: step });
}

export function* tickSource(): Generator<number> {
  yield 1;
  yield 2;
}

export function createBoardFeed<Context = undefined>(
  session: Session,
  options: Partial<FeedOptions<Board, Context>> = {},
): Feed<Board, Context> {
  return createFeed<Board, Context>(createBoard(), {
    clock: session.clock,
    onError: () => undefined,
    streams: { report: reportSource, tick: tickSource },
    ...options,
  } as FeedOptions<Board, Context>);
}
