/** The contract of the simulated world. Every payload has a unique number, so that two are never the same. */
import { defineChannel, run, stream, topic } from '@linefeed/shared';
import type { Feed } from '@linefeed/server';
import * as z from 'zod';

/** Behaviour of a source. */
export const MOODS = [
  /** Each step takes some time. It may throw at each step, and resumes after its last id. */
  'steady',
  /** It yields everything in its first step. */
  'sync',
  /** It stops at some step, and ignores its signal. */
  'deaf',
  /** It never starts. */
  'pending',
  /** It throws before its first value. */
  'broken',
  /** It fails at times, with a retryable error. */
  'retryable',
] as const;

export type Mood = (typeof MOODS)[number];

const Named = z.object({ n: z.number() });

export const board = defineChannel({
  notice: Named,
  secret: Named,
  room: topic({ params: z.object({ name: z.string() }), data: Named }),
  price: topic({ params: z.object({ symbol: z.string() }), data: Named, keep: 'latest' }),
  steps: stream({
    params: z.object({ to: z.number(), mood: z.enum(MOODS), run: z.string() }),
    data: z.object({ step: z.number() }),
  }),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ by: z.string(), n: z.number() }),
    result: z.object({ count: z.number() }),
  }),
});

export type Board = typeof board;

export interface LoggedAddress {
  readonly topic: 'notice' | 'secret' | 'room' | 'price';
  readonly params: Record<string, string> | undefined;
  readonly address: string;
  readonly keep: 'all' | 'latest';
}

export const ADDRESSES: readonly LoggedAddress[] = [
  { topic: 'notice', params: undefined, address: 'notice', keep: 'all' },
  { topic: 'secret', params: undefined, address: 'secret', keep: 'all' },
  { topic: 'room', params: { name: 'a' }, address: 'room?name=a', keep: 'all' },
  { topic: 'room', params: { name: 'quiet' }, address: 'room?name=quiet', keep: 'all' },
  { topic: 'price', params: { symbol: 'X' }, address: 'price?symbol=X', keep: 'latest' },
  { topic: 'price', params: { symbol: 'Y' }, address: 'price?symbol=Y', keep: 'latest' },
];

/** The param `chat` of the runs of a world. */
export const CHATS = ['a', 'b', 'c'] as const;

/** The result of `context` for a request. */
export interface UserContext {
  readonly request: number;
  readonly user: string;
  readonly principal: string;
  readonly expiresAt?: number | undefined;
}

export type WorldFeed = Feed<Board, UserContext>;
