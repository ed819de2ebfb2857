/** The contract of the simulated world. Every payload names itself, so that two are never the same. */
import { defineChannel, stream, topic } from '@linefeed/shared';
import * as z from 'zod';

const Named = z.object({ n: z.number() });

export const board = defineChannel({
  notice: Named,
  secret: Named,
  room: topic({ params: z.object({ name: z.string() }), data: Named }),
  price: topic({ params: z.object({ symbol: z.string() }), data: Named, keep: 'latest' }),
  steps: stream({ params: z.object({ to: z.number() }), data: z.object({ step: z.number() }) }),
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
