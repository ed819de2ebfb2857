/** The contract: tasks that many people change at once. An event carries the whole present task. */
import { defineChannel } from '@linefeed/shared';
import { z } from 'zod';

export const Task = z.object({ id: z.string(), title: z.string(), done: z.boolean() });
export type Task = z.infer<typeof Task>;

export const board = defineChannel({ task: Task });

/** The answer of `GET /tasks`: the state, and the cursor from which to follow it. */
export interface Snapshot {
  readonly cursor: string;
  readonly state: readonly Task[];
}
