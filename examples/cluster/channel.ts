/** The contract: numbered events of each process, and the state of the cluster. The page imports its type. */
import { defineChannel, stream, topic } from '@linefeed/shared';
import { z } from 'zod';
import { names } from './names.ts';

export const Name = z.enum(names);

/** The state of a process, as the start program reports it. */
export const ProcessState = z.object({ name: Name, pid: z.int(), state: z.enum(['running', 'killed']) });

export const board = defineChannel({
  // Published by each process under its own name. The numbers of a series have no holes, also over a restart.
  tick: topic({
    params: z.object({ by: Name }),
    data: z.object({ series: z.string(), n: z.int().positive(), at: z.number() }),
  }),
  // A stream runs in the process that serves the connection, so it can report which one that is.
  cluster: stream({
    data: z.object({ servedBy: Name, log: z.string(), processes: z.array(ProcessState) }),
  }),
});

export type Board = typeof board;
export type ProcessState = z.infer<typeof ProcessState>;
