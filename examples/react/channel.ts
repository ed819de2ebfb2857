/** The contract. The server imports its value, the page only its types. */
import { defineChannel, stream, topic } from '@linefeed/shared';
import { z } from 'zod';

export const Order = z.object({
  id: z.string().min(1).max(40),
  what: z.string().trim().min(1).max(60),
  baked: z.boolean(),
});
export type Order = z.infer<typeof Order>;

export const Room = z.enum(['kitchen', 'counter']);
export type Room = z.infer<typeof Room>;

export const Line = z.object({
  id: z.string().min(1).max(40),
  author: z.string().trim().min(1).max(20),
  text: z.string().trim().min(1).max(200),
});
export type Line = z.infer<typeof Line>;

export const board = defineChannel({
  /** An order that is new or has changed: the whole order, as it is now. */
  order: Order,
  /** A message in a room. */
  chat: topic({ params: z.object({ room: Room }), data: Line }),
  /** Tomorrow's plan, step by step, made for each subscriber. */
  plan: stream({ data: z.object({ time: z.string(), text: z.string() }) }),
});

/** The answer of `GET /api/orders`: the state, and the cursor from which to follow it. */
export interface Orders {
  readonly cursor: string;
  readonly orders: readonly Order[];
}
